"""Programs that are wrong, and what the message about each must say.

Entry: `PROGRAMS`: name -> (function, exception, words of the message). The line at fault ends in
`# wrong`. `python -m tests.errors` prints every message.
"""

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F

PROGRAMS = {}


def wrong(kind, *words):
    """Register a wrong program."""

    def add(fn):
        PROGRAMS[fn.__name__.replace("_", " ")] = (fn, kind, words)
        return fn

    return add


def ones(*shape, **options):
    """Ones in memory."""
    return torch.ones(*shape, **options)


# ---- shapes


@wrong(TypeError, "sum", "dim must be an integer", "'rows'")
def sum_over_an_axis_with_a_name():
    ones(2, 3).sum("rows")  # wrong


@wrong(TypeError, "zeros", "sizes must be integers", "2.5")
def zeros_of_a_fraction():
    torch.zeros(2.5)  # wrong


@wrong(RuntimeError, "add", "(2, 3)", "(4,)", "3", "4")
def sum_of_shapes_that_do_not_broadcast():
    ones(2, 3) + ones(4)  # wrong


@wrong(RuntimeError, "mul", "(5, 2)", "(3, 2)")
def product_of_shapes_that_do_not_broadcast():
    ones(5, 2) * ones(3, 2)  # wrong


@wrong(RuntimeError, "where", "(2,)", "(3,)")
def choice_of_shapes_that_do_not_broadcast():
    torch.where(ones(2) > 0, ones(3), 0.0)  # wrong


@wrong(RuntimeError, "matmul", "(2, 3)", "(2, 3)", "3", "2")
def product_of_matrices_with_other_inner_sizes():
    ones(2, 3) @ ones(2, 3)  # wrong


@wrong(RuntimeError, "matmul", "(4, 2, 3)", "(5, 3, 2)")
def product_of_other_numbers_of_matrices():
    ones(4, 2, 3) @ ones(5, 3, 2)  # wrong


@wrong(RuntimeError, "matmul", "()")
def product_with_a_number_for_a_matrix():
    ones(2, 3) @ torch.tensor(2.0)  # wrong


@wrong(RuntimeError, "reshape", "(2, 3)", "[4]", "6")
def reshape_to_another_number_of_elements():
    ones(2, 3).reshape(4)  # wrong


@wrong(RuntimeError, "reshape", "(2, 3)", "-1", "4")
def reshape_that_does_not_divide():
    ones(2, 3).reshape(4, -1)  # wrong


@wrong(RuntimeError, "view", "(3, 2)", "reshape")
def view_of_memory_in_another_order():
    ones(2, 3).t().view(6)  # wrong


@wrong(RuntimeError, "expand", "[2, 3]", "[2, 4]")
def expand_of_an_axis_that_is_not_1():
    ones(2, 3).expand(2, 4)  # wrong


@wrong(RuntimeError, "cat", "(2, 3)", "(2, 4)")
def cat_of_shapes_that_do_not_fit():
    torch.cat([ones(2, 3), ones(2, 4)])  # wrong


@wrong(RuntimeError, "stack", "[2, 3]", "[3, 2]")
def stack_of_other_shapes():
    torch.stack([ones(2, 3), ones(3, 2)])  # wrong


@wrong(RuntimeError, "permute", "3", "2")
def permute_with_an_axis_too_many():
    ones(2, 3).permute(0, 1, 2)  # wrong


@wrong(IndexError, "sum", "2", "-2", "1")
def sum_over_an_axis_that_is_not_there():
    ones(2, 3).sum(2)  # wrong


@wrong(IndexError, "max", "(0,)")
def largest_of_no_elements():
    ones(0).max()  # wrong


@wrong(RuntimeError, "setitem", "[2]", "[3]")
def value_that_does_not_fit_where_it_is_written():
    x = ones(4, 3)
    x[1] = ones(2)  # wrong


@wrong(RuntimeError, "add_", "[3]", "[2, 3]")
def in_place_result_that_is_larger():
    ones(3).add_(ones(2, 3))  # wrong


@wrong(RuntimeError, "linear", "(5, 3)", "(2, 4)")
def batch_that_does_not_fit_a_layer():
    layer = nn.Linear(4, 2)
    layer(ones(5, 3))  # wrong


@wrong(ValueError, "batch_size", "(4, 3)", "(5,)")
def targets_of_another_number():
    F.cross_entropy(ones(4, 3), torch.tensor([0, 1, 2, 0, 1]))  # wrong


# ---- dtypes and values


@wrong(RuntimeError, "mean", "int64", "floating")
def mean_of_integers():
    torch.arange(3).mean()  # wrong


@wrong(RuntimeError, "bitwise_and", "float32")
def bits_of_floats():
    ones(3) & ones(3)  # wrong


@wrong(RuntimeError, "matmul", "float32", "float64")
def matrices_of_two_dtypes():
    ones(2, 3) @ ones(3, 2, dtype=torch.float64)  # wrong


@wrong(RuntimeError, "add_", "float32", "int64")
def floats_added_into_integers():
    torch.arange(3).add_(0.5)  # wrong


@wrong(RuntimeError, "requires_grad", "float", "int64")
def gradient_of_integers():
    torch.arange(3).requires_grad_()  # wrong


@wrong(TypeError, "+", "Tensor", "str")
def sum_with_text():
    ones(3) + "three"  # wrong


@wrong(RuntimeError, "bool", "(2,)", "any()")
def truth_of_many_elements():
    if ones(2) > 0:  # wrong
        pass


@wrong(RuntimeError, "item", "(2,)", "2")
def number_of_many_elements():
    ones(2).item()  # wrong


@wrong(RuntimeError, "numpy", "detach")
def array_of_what_needs_a_gradient():
    (ones(2, requires_grad=True) * 2).numpy()  # wrong


@wrong(ValueError, "tensor", "inhomogeneous")
def ragged_list():
    torch.tensor([[1.0, 2.0], [3.0]])  # wrong


@wrong(ValueError, "dropout", "1.5")
def probability_above_one():
    F.dropout(ones(3), 1.5)  # wrong


# ---- indices


@wrong(IndexError, "index", "5", "0", "3")
def index_out_of_range():
    ones(3)[5]  # wrong


@wrong(IndexError, "index", "2", "3")
def too_many_indices():
    ones(3, 2)[0, 0, 0]  # wrong


@wrong(IndexError, "index", "float32")
def index_by_floats():
    ones(3)[ones(2)]  # wrong


@wrong(IndexError, "index", "[2]", "[3]")
def mask_of_another_size():
    ones(3)[torch.tensor([True, False])]  # wrong


@wrong(IndexError, "index", "7", "[-3, 3)")
def index_by_a_tensor_out_of_range():
    y = ones(3)[torch.tensor([0, 7])]  # wrong
    y.tolist()


@wrong(IndexError, "gather", "4", "[0, 2)")
def gather_out_of_range():
    y = ones(2, 2).gather(1, torch.tensor([[0], [4]]))  # wrong
    y.tolist()


@wrong(IndexError, "target", "9", "[0, 3)")
def target_out_of_range():
    loss = F.cross_entropy(ones(2, 3), torch.tensor([0, 9]))  # wrong
    loss.item()


@wrong(IndexError, "index", "3", "[-3, 3)")
def row_written_out_of_range():
    x = ones(3, 2) * 2
    x[torch.tensor([0, 3])] = 1.0  # wrong
    x.tolist()


@wrong(IndexError, "scatter_add", "6", "[0, 3)")
def index_out_of_range_met_in_backward():
    x = ones(3, requires_grad=True)
    y = torch.zeros(3).scatter_add(0, torch.tensor([0, 6, 1]), x * 2)  # wrong
    y.sum().backward()
    y.tolist()


# ---- gradients


@wrong(RuntimeError, "backward", "(2,)", "scalar")
def backward_of_many_elements():
    (ones(2, requires_grad=True) * 2).backward()  # wrong


@wrong(RuntimeError, "backward", "require")
def backward_of_what_has_no_gradient():
    ones(2).sum().backward()  # wrong


@wrong(RuntimeError, "backward", "second time", "retain_graph", "exp")
def backward_twice():
    y = ones(2, requires_grad=True).exp().sum()
    y.backward()
    y.backward()  # wrong


@wrong(RuntimeError, "backward", "(3,)", "(2,)")
def gradient_of_another_shape():
    (ones(2, requires_grad=True) * 2).backward(ones(3))  # wrong


@wrong(RuntimeError, "mul_", "leaf", "no_grad")
def in_place_on_a_leaf():
    ones(2, requires_grad=True).mul_(2)  # wrong


@wrong(RuntimeError, "setitem", "leaf")
def write_through_a_view_of_a_leaf():
    x = ones(2, 2, requires_grad=True)
    x[0] = 3.0  # wrong


@wrong(RuntimeError, "fill_", "single memory location", "clone")
def write_to_an_expanded_view():
    ones(1, 3).expand(4, 3).fill_(2)  # wrong


@wrong(RuntimeError, "grad", "not", "used")
def gradient_of_what_was_not_used():
    x, y = ones(2, requires_grad=True), ones(2, requires_grad=True)
    torch.autograd.grad(x.sum(), [y])  # wrong


# ---- what is not there


@wrong(NotImplementedError, "norm", "nuc")
def unsupported_argument():
    ones(2, 2).norm(p="nuc")  # wrong


@wrong((RuntimeError, NotImplementedError), "cuda")
def unknown_device():
    ones(3).to("cuda")  # wrong


@wrong(NotImplementedError, "out")
def result_given_beforehand():
    torch.add(ones(2), ones(2), out=ones(2))  # wrong


@wrong(ValueError, "optimizer", "empty")
def optimizer_without_parameters():
    torch.optim.SGD([], lr=0.1)  # wrong


@wrong(RuntimeError, "Linear", "weight", "[2, 4]", "[2, 3]")
def state_of_another_model():
    nn.Linear(3, 2).load_state_dict(nn.Linear(4, 2).state_dict())  # wrong


@wrong(ValueError, "learning rate", "-1.0")
def negative_learning_rate():
    torch.optim.SGD([ones(2, requires_grad=True)], lr=-1.0)  # wrong


@wrong(TypeError, "tanh", "none of its operands is a Tensor")
def function_of_a_number():
    torch.tanh(3.0)  # wrong


@wrong(TypeError, "where", "condition", "Tensor", "bool")
def choice_by_a_python_bool():
    torch.where(True, ones(2), 0.0)  # wrong
