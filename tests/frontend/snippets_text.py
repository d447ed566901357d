"""PyTorch snippets whose text is compared, one a line."""

# text
REPR = r"""
x
x[0]
x / 7
x.long()
x > 3
x.double()
x * 1e9
x / 1e6
x[0, 0, 0]
torch.tensor(3)
torch.tensor([])
torch.zeros(2, 0)
torch.zeros(0, dtype=torch.int32)
torch.arange(2000.)
torch.arange(10000).view(100, 100)
torch.arange(3000.).view(10, 10, 30)
torch.tensor([1., float('nan'), float('inf')])
torch.tensor([1.5, float('-inf')])
torch.tensor([1e-8, 1.])
torch.tensor([0.5, 100000.])
torch.tensor([1., 10000000000.])
torch.tensor([float('nan')])
torch.tensor([1e10])
torch.tensor([0., 0.])
torch.ones(30) / 3
torch.tensor([1., 2.], requires_grad=True)
torch.tensor(1.5, requires_grad=True) * 2
torch.tensor([1., 2.], requires_grad=True).exp()
torch.ones(9, 9, requires_grad=True) / 3
torch.tensor([[True], [False]])
torch.tensor([-1.5, 2.])
torch.tensor([1, -20, 300], dtype=torch.int16)
x.shape
x.dtype
x.device
x.max(1)
torch.finfo(torch.float32).max
torch.arange(1001)
"""

# names of recorded operations
HISTORY = r"""
x.sum()
x.sum(1)
x.mean()
x.mean(1)
x.max()
x.max(1).values
x.std()
x.var(1)
x.softmax(1)
x.log_softmax(1)
x.view(-1)
x.reshape(4, 6)
x[0]
x[0, 1]
x[:, 1:]
x[[0, 1]]
x[x > 3]
x.transpose(0, 1)
x.permute(1, 0, 2)
x[0].t()
x.unsqueeze(0)
x.squeeze()
x.expand(2, 2, 3, 4)
x[0] @ x[0].t()
x + 1
x * x
x / 2
x ** 2
-x
x.square()
x.expm1()
x.log1p()
x.log2()
x.double()
x.clamp(0, 1)
x[0] @ x[0, 0]
x[0, 0] @ x[0, 0]
x.bmm(x.transpose(1, 2))
torch.nn.functional.linear(x[0], x[1])
torch.nn.functional.linear(x[0], x[1], x[0, :, 0])
torch.nn.functional.embedding(torch.tensor([1]), x[0])
torch.nn.functional.layer_norm(x, (4,))
torch.nn.functional.batch_norm(x, None, None, training=True)
torch.stack([x, x])
x.split(1)[0]
x.split([1, 2], 1)[0]
x.unbind()[0]
x.flip(0)
x.masked_fill(x > 3, 0.0)
x.exp()
x.log()
x.sqrt()
x.tanh()
x.sigmoid()
x.relu()
x.abs()
torch.where(x > 0, x, -x)
torch.cat([x, x])
x.clone()
x.cumsum(0)
x.gather(0, torch.zeros(1, 3, 4, dtype=torch.long))
x.norm()
x.logsumexp(1)
x.amax(1)
"""
