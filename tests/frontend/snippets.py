"""PyTorch snippets, one a line; x is `torch.arange(24.).reshape(2, 3, 4)`."""

# read by index
INDEXING = r"""
x[0]
x[-1]
x[1, 2]
x[1, 2, 3]
x[..., 2]
x[:, 1]
x[:, 1:, ::2]
x[None]
x[:, None, 1]
x[0, ..., None]
x[1:1]
x[5:]
x[-2:, -1:]
x[:, ::3, 1::2]
x[x > 5]
x[x[:, :, 0] > 5]
x[torch.tensor([True, False])]
x[[0, 1, 0]]
x[:, [2, 0]]
x[[0, 1], [1, 2]]
x[[[0], [1]], [0, 2]]
x[torch.tensor([1, -1])]
x[0, torch.tensor([[0, 1], [2, 2]])]
x[:, torch.tensor([0, 2]), None, 1:3]
x[[0, 1], :, [1, 2]]
x[torch.tensor([0, 1]), ..., torch.tensor([3, 3])]
x[:, torch.tensor([True, False, True]), 2]
x[True]
x[False]
x[torch.tensor(1)]
x[torch.zeros(0, dtype=torch.long)]
x[np.array([1, 0])]
x[(0, slice(None), 1)]
x[:, torch.tensor([0, 1, 1], dtype=torch.int32)]
x[[]]
x[..., [0, 3]]
x[[1, 0], 2]
x[torch.tensor([[True, False, True], [False, True, False]]), 1:3]
x[5]
x[0, 0, 0, 0]
x[:, 3]
x['a']
x[1.0]
x[::-1]
x[[0, 1], [0, 1, 2]]
x[torch.tensor([0.5])]
x[..., ...]
"""

# writes
WRITES = r"""
x[0] = 1
x[:, 1] = torch.tensor([1., 2., 3., 4.])
x[..., 2] = -1.5
x[1, 2, 3] = 7
x[x > 20] = 0
x[[0, 1], [1, 2]] = torch.ones(4)
x[:, [2, 0]] = torch.arange(8.).view(2, 1, 4)
x[torch.tensor([1])] = torch.ones(3, 4)
x[::2, 1:] += 10
x[x[:, :, 0] > 5] = 3.
x[0, ::2] *= 2
x[[0, 0]] = torch.stack([torch.zeros(3, 4), torch.ones(3, 4)])
x[None, 0] = 2
x[:, None] = 4
x[0] = torch.ones(1, 1, 3, 4)
x[0, 0] = True
x[1] = torch.tensor(3)
x[[0, 1], :, [1, 2]] = torch.tensor([[5.], [6.]])
x[0] = torch.ones(5)
x[0, 9] = 1
x[:] = x.flip(0)
x[0] = x[1]
x[:, 0], x[:, 1] = x[:, 1].clone(), x[:, 0].clone()
x[()] = 1.5
x[...] = 2
x.view(-1)[3:9:2] = -1
x.transpose(0, 2)[1] = 5
x.permute(2, 0, 1)[1:3, 0] += 100
x[1].t().mul_(2)
x.unsqueeze(1).squeeze()[0].zero_()
x.diagonal(0, 1, 2).fill_(9)
x[0].diagonal(1).add_(1)
x[0].t().diagonal(-1).zero_()
x[0].fill_diagonal_(3)
x.index_put_((torch.tensor([0, 0]),), torch.ones(3, 4), accumulate=True)
x.narrow(1, 1, 2).sub_(1)
x.select(2, 1).neg_()
x.chunk(2, 2)[1].zero_()
[c.mul_(i) for i, c in enumerate(x.unbind(1))]
x.expand(2, 2, 3, 4).add_(1)
x.expand(2, 2, 3, 4).mul_(2)
x.copy_(torch.arange(4))
x.clamp_(2, 9)
x.pow_(2)
x.add_(torch.ones(2, 2, 3, 4))
x.masked_fill_(x > 3, 0)
x[0].t_()
x.fill_(torch.ones(2))
x.add_(1, alpha=3).div_(2).sqrt_()
x -= 1; x /= 4; x *= x; x **= 2
x.sub_(x)
x.long().add_(1.5)
x.bool().mul_(2)
y = x; y += 1
y = x.view(6, 4); x += 1; x = y
y = x.data; y.zero_()
y = x.detach(); y[0] = 5
x.uniform_(3, 3)
x.scatter_(0, torch.tensor([[[1]]]), 5.)
x.scatter_add_(0, torch.zeros(2, 3, 4, dtype=torch.long), x.clone())
x.cumsum_(1)
x.tril_()
x.exp_().log_()
x.view(1, -1).squeeze_().add_(1)
x.clip_(max=3)
"""

# shapes and views
SHAPES = r"""
x.view(6, 4)
x.view(-1)
x.view(2, -1, 2)
x.t()
x.transpose(0, 1).view(-1)
x.transpose(0, 1).reshape(-1)
x.permute(2, 0, 1).stride()
x[:, 1:].stride()
x.expand(5, 2, 3, 4).stride()
x[0].t().is_contiguous()
x[:, :1].expand(-1, 3, 4)
x[1].storage_offset()
x.flatten(1)
x.flatten(0, 1)
x.unflatten(2, (2, -1))
x.squeeze()
x[:1].squeeze(0)
x[:1].squeeze(1)
x[:1].squeeze((0, 1))
x.unsqueeze(-1)
x.movedim(0, 2)
x.movedim((0, 1), (1, 0))
x.swapaxes(0, 2)
x.mT
x[0].T
x[0].t()
x.chunk(2, 1)
x.split(2, 2)
x.split([1, 2], 1)
x.unbind(1)
x.flip(0, 2)
x.narrow(2, 1, 2)
x.select(1, 2)
x.diagonal(0, 1, 2)
x[0].diagonal(-1)
x.repeat(2, 1, 1)
x.tile(2)
x.roll(1, 0)
x.roll(3)
x.roll((1, 2), (0, 2))
x[0].tril()
x[0].triu(1)
torch.diag(x[0, 0])
torch.diag(x[0], 1)
torch.cat([x, x], 1)
torch.stack([x, x], -1)
torch.hstack([x, x])
torch.vstack([x, x])
torch.meshgrid(x[0, 0], x[0, 1], indexing='ij')
torch.meshgrid(x[0, 0], x[0, :2, 0], indexing='xy')
torch.broadcast_to(x[0], (2, 3, 4))
torch.broadcast_tensors(x[:, :1], x[:1])
torch.atleast_2d(x[0, 0])
x.view(5, 5)
x.permute(0, 1)
x.expand(3, 3, 4)
torch.cat([x, x[0]])
x.repeat_interleave(2, 1)
x.repeat_interleave(torch.tensor([1, 0, 2]), 1)
x.repeat_interleave(torch.tensor(2))
torch.repeat_interleave(x, torch.tensor([2], dtype=torch.int32), dim=-1)
x.repeat_interleave(torch.tensor([1, 2]), 1)
x.repeat_interleave(torch.tensor([1, -1, 2]), 1)
x.gather(1, torch.tensor([[[0, 1, 2, 0]], [[2, 2, 1, 0]]]))
torch.cat([x.long(), x])
torch.take_along_dim(x, x.argsort(1), 1)
x.index_select(2, torch.tensor([3, 0]))
torch.tensor([[1]]).expand(2, 2).contiguous().stride()
x.view(torch.Size([4, 6])).size(0)
x.size(3)
x.numel(), x.dim(), len(x), x.nbytes()
x.contiguous() is x
x.reshape(24) is x
torch.zeros(2, 0, 3).view(0)
torch.zeros(2, 0, 3).reshape(-1)
torch.zeros(()).view(1, 1)
x.masked_select(x > 20)
torch.nonzero(x > 20)
torch.where(x[0] > 8)
x.view_as(x.view(4, 6))
"""

# arithmetic, reductions, creation, dtypes
MATHS = r"""
x.sum()
x.sum(1)
x.sum((0, 2), keepdim=True)
x.mean(-1)
x.var()
x.std(1)
x.var(2, unbiased=False)
x.std(dim=(0, 1), keepdim=True)
x.max()
x.max(1)
x.min(2)
x.max(1, keepdim=True).values
x.amax((0, 1))
x.argmax()
x.argmax(1)
x.argmin(2, True)
x.prod(2)
x.any()
x.all(1)
x.logsumexp(1)
x.softmax(1)
x.log_softmax(-1)
x.cumsum(1)
(x / 10).cumprod(2)
x.norm()
x.norm(1, 2)
x.norm(p=float('inf'))
x.count_nonzero()
x.sort(2, descending=True)
x.topk(2, 1)
(x % 5).argsort(dim=1, stable=True)
torch.max(x, x.flip(0))
torch.allclose(x, x + 1e-9)
torch.equal(x, x)
x @ x.transpose(1, 2)
x[0] @ x[0].t()
x[0, 0] @ x[0, 1]
x[0] @ x[0, 0]
x[0, :, 0] @ x[0]
x @ x[0].t()
x @ x[0]
torch.bmm(x, x.transpose(1, 2))
torch.outer(x[0, 0], x[0, 1])
torch.addmm(x[0, :, :3], x[0], x[1].t(), beta=2, alpha=3)
torch.dot(x[0, 0], x[1, 1])
torch.mm(x, x)
x * torch.ones(4, 1, 4)
x + torch.ones(5)
x ** 2
2 ** (x / 8)
x ** 0.5
x ** -1.0
x // 5
x % -7
-x
abs(-x)
5 - x
5 / (x + 1)
x > 3
x == 4
(x > 3) & (x < 9)
~(x > 3)
x.long() << 1
x.clamp(3, 7)
x.clamp(min=5)
torch.where(x > 5, x, -x)
torch.where(x > 5, x, 0)
torch.maximum(x, -x)
x.sigmoid()
x.tanh()
x.relu()
x.round(decimals=1)
torch.lerp(x, x + 1, 0.3)
torch.addcmul(x, x, x, value=0.5)
x.add(x, alpha=2)
torch.sub(x, 1, alpha=3)
torch.rsub(x, 1, alpha=2.5)
torch.add(x.long(), x.long(), alpha=1.5)
torch.add(x.long(), 1, alpha=1.0)
torch.sub(x.long(), x.long(), alpha=2.0)
torch.rsub(x.long(), x.long(), alpha=2.5)
torch.add(x.long(), x, alpha=1.5)
torch.sub(x.long(), 1.5, alpha=1.5)
torch.add(x.double(), x.long(), alpha=0.1)
torch.add(x, x.double(), alpha=0.1)
x.long().add_(x.long(), alpha=1.5)
x.clone().add_(x.long(), alpha=1.5)
torch.add(x > 3, x > 5, alpha=2)
torch.add(x > 3, x > 5, alpha=0)
torch.add(x > 3, x > 5, alpha=1.0)
torch.add(x > 3, x, alpha=True)
torch.add(x, x, alpha=True)
torch.add(x, x, alpha='a')
torch.add(x, x, alpha=np.float32(0.5))
torch.div(x, 3, rounding_mode='floor')
torch.div(x, 3, rounding_mode='trunc')
x.masked_fill(x > 4, 9.)
x.sum(dtype=torch.float64)
x.long().sum()
x.bool().sum()
x.long().mean()
x.double().mean()
x.int() / 2
x.int() + 1.5
x.int() + torch.tensor(1.5, dtype=torch.float64)
x.int() + torch.tensor(2)
x.to(torch.uint8) + x.to(torch.int8)
x + torch.ones(4, dtype=torch.float64)
x.bool() + 1
x.long().float().type()
x.int().dtype
torch.result_type(x.int(), 1.5)
x == None
x.new_zeros(2)
x.new_tensor([1, 2])
x.long().new_full((2,), 3)
x.new_zeros(2, layout=torch.strided, pin_memory=False, requires_grad=True)
torch.zeros(2, out=None, layout=torch.strided, pin_memory=False)
torch.empty(2, 3, memory_format=torch.contiguous_format).shape
torch.ones_like(x, memory_format=torch.preserve_format, layout=torch.strided, pin_memory=False)
torch.randn_like(x, memory_format=torch.contiguous_format).shape
torch.scalar_tensor(2, layout=torch.strided, requires_grad=True)
torch.arange(3, layout=torch.strided, dtype=torch.float64, requires_grad=True)
torch.arange(3, requires_grad=True)
torch.linspace(0, 1, 3, pin_memory=False)
torch.logspace(0, 1, 3, base=2.0, layout=torch.strided)
torch.linspace(0, 1, -3)
torch.logspace(0, 1, -3)
torch.eye(2, 3, layout=torch.strided, dtype=torch.int64)
torch.full_like(x, fill_value=2)
torch.normal(0., 1., (2,), dtype=torch.float64, layout=torch.strided, requires_grad=True).shape
torch.randint(3, (2,), layout=torch.strided, pin_memory=False).dtype
torch.randperm(3, out=None, requires_grad=False).shape
torch.tensor([1.], pin_memory=False, requires_grad=True)
torch.tensor([1.], layout=torch.strided)
torch.tensor([1], requires_grad=True)
torch.zeros(2, dtype='float32')
torch.zeros(2, wrong=1)
x.clone(memory_format=torch.preserve_format)
x.to(torch.float64, memory_format=torch.contiguous_format)
x.long().float(memory_format=torch.preserve_format)
x.transpose(0, 1).contiguous(memory_format=torch.contiguous_format).stride()
torch.zeros_like(x, dtype=torch.int32)
x.item()
x.sum().item()
float(x[0, 0, 1])
int(x[0, 1, 1])
bool(x[0, 0, 1])
bool(x)
x[0, 0].tolist()
x.tolist()
[r.sum().item() for r in x]
5. in x
x.bool() - x.bool()
-x.bool()
x.max(dim=5)
x.double().add(x).dtype
torch.std_mean(x, 1)
torch.full((2, 2), 3)
torch.full((2,), True)
torch.arange(1, 2, 0.3)
torch.arange(5, 0, -2)
torch.linspace(0, 1, 5)
torch.eye(2, 3)
torch.tensor([[1, 2], [3.5, 4]])
torch.tensor([True, False])
torch.tensor(3)
torch.tensor([])
torch.tensor([1, 2], dtype=torch.float64)
torch.tensor(np.arange(3))
torch.tensor([x[0, 0, 1], 2])
torch.as_tensor([1.5])
torch.zeros(2, 3, dtype=torch.bool)
torch.ones(3).long()
torch.tensor('a')
torch.tensor([[1, 2], [3]])
torch.zeros(-1)
torch.arange(0, 5, -1)
torch.tensor(np.float64(2)).dtype
torch.Tensor([1, 2])
torch.Tensor(2, 3).shape
torch.finfo(torch.float32).eps
torch.iinfo(torch.int8).max
x.to('cpu') is x
x.to(torch.float64).dtype
x.to(x.long()).dtype
x.device
torch.device('cpu')
x.shape
x.shape[1:]
x.size()
torch.Size([2, 3]).numel()
x.isnan().any()
torch.isclose(x, x)
torch.logical_and(x > 2, x)
torch.isfinite(x / 0).sum()
torch.nan_to_num(x / 0)
x.fmod(3)
x.frac()
torch.atan2(x, x + 1)
x.sign()
x.trunc()
x.reciprocal()
x.square()
x.rsqrt()
torch.erf(x)
torch.logaddexp(x, x)
torch.hypot(x, x)
torch.count_nonzero(x, 1)
x.float_power(2)
3 // (x + 1)
torch.promote_types(torch.uint8, torch.int8)
x.unsqueeze(5)
torch.cat([])
"""
