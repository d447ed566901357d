"""`atomics` for compiled code: LLVM's atomic instructions, Linux futexes, calls to an address.

`TEXT` is LLVM IR for runtime/words.py, where every value is a 64-bit word and a pointer its
address: a function @atomics.x for each x of `atomics`. May import: nothing of jitgrad.
"""

import platform

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0)
_WAIT, _WAKE = 128, 129  # both private to the process
_CLOCK_MONOTONIC = 1
_PAUSE = "  call void @llvm.x86.sse2.pause()\n" if platform.machine() == "x86_64" else ""


def _exchange(name, operation):
    """An atomic read-modify-write of the word i behind p; what it was before."""
    return f"""
define internal i64 @atomics.{name}(i64 %p, i64 %i, i64 %value) alwaysinline nounwind {{
  %base = inttoptr i64 %p to ptr
  %word = getelementptr i64, ptr %base, i64 %i
  %before = atomicrmw {operation} ptr %word, i64 %value seq_cst
  ret i64 %before
}}
"""


TEXT = f"""
define internal i64 @atomics.load(i64 %p, i64 %i) alwaysinline nounwind {{
  %base = inttoptr i64 %p to ptr
  %word = getelementptr i64, ptr %base, i64 %i
  %value = load atomic i64, ptr %word acquire, align 8
  ret i64 %value
}}

define internal i64 @atomics.store(i64 %p, i64 %i, i64 %value) alwaysinline nounwind {{
  %base = inttoptr i64 %p to ptr
  %word = getelementptr i64, ptr %base, i64 %i
  store atomic i64 %value, ptr %word release, align 8
  ret i64 0
}}
{_exchange("add", "add")}{_exchange("swap", "xchg")}
define internal i64 @atomics.compare_swap(
    i64 %p, i64 %i, i64 %expected, i64 %value) alwaysinline nounwind {{
  %base = inttoptr i64 %p to ptr
  %word = getelementptr i64, ptr %base, i64 %i
  %pair = cmpxchg ptr %word, i64 %expected, i64 %value seq_cst seq_cst
  %same = extractvalue {{ i64, i1 }} %pair, 1
  %result = zext i1 %same to i64
  ret i64 %result
}}

define internal i64 @atomics.pause() alwaysinline nounwind {{
{_PAUSE}  ret i64 0
}}

define internal i64 @atomics.give_way() alwaysinline nounwind {{
  %ignored = call i32 @sched_yield()
  ret i64 0
}}

define internal i64 @atomics.core_now() alwaysinline nounwind {{
  %core = call i32 @sched_getcpu()
  %result = sext i32 %core to i64
  ret i64 %result
}}

define internal i64 @atomics.stay_on(i64 %address, i64 %words) alwaysinline nounwind {{
  %bits = inttoptr i64 %address to ptr
  %size = shl i64 %words, 3
  %ignored = call i32 @sched_setaffinity(i32 0, i64 %size, ptr %bits)
  ret i64 0
}}

define internal i64 @atomics.nanoseconds() nounwind {{
  %time = alloca [2 x i64]
  %ignored = call i32 @clock_gettime(i32 {_CLOCK_MONOTONIC}, ptr %time)
  %seconds = load i64, ptr %time
  %second = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %second
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %rest
  ret i64 %sum
}}

define internal i64 @atomics.sleep_while(i64 %p, i64 %i, i64 %value) alwaysinline nounwind {{
  %base = inttoptr i64 %p to ptr
  %word = getelementptr i64, ptr %base, i64 %i
  %ignored = call i64 (i64, ...) @syscall(
      i64 {_FUTEX}, ptr %word, i64 {_WAIT}, i64 %value, i64 0, i64 0, i64 0)
  ret i64 0
}}

define internal i64 @atomics.wake_all(i64 %p, i64 %i) alwaysinline nounwind {{
  %base = inttoptr i64 %p to ptr
  %word = getelementptr i64, ptr %base, i64 %i
  %ignored = call i64 (i64, ...) @syscall(
      i64 {_FUTEX}, ptr %word, i64 {_WAKE}, i64 {1 << 30}, i64 0, i64 0, i64 0)
  ret i64 0
}}

define internal i64 @atomics.words_at(i64 %address) alwaysinline nounwind {{
  ret i64 %address
}}

define internal i64 @atomics.call_kernel(
    i64 %function, i64 %block, i64 %low, i64 %high, i64 %scratch) alwaysinline nounwind {{
  %target = inttoptr i64 %function to ptr
  %arguments = inttoptr i64 %block to ptr
  %memory = inttoptr i64 %scratch to ptr
  %code = call i32 %target(ptr %arguments, i64 %low, i64 %high, ptr %memory)
  %result = sext i32 %code to i64
  ret i64 %result
}}

declare void @llvm.x86.sse2.pause()
declare i32 @sched_yield()
declare i32 @sched_getcpu()
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @clock_gettime(i32, ptr)
declare i64 @syscall(i64, ...)
"""
