"""Rooms together: a classifier trains on the built-in digits, compiled, without reading a value."""

import gc

import jitgrad as jg
from jitgrad import nn
from jitgrad.utils.data import DataLoader, TensorDataset
from jitgrad.vision.datasets import Digits


def split(train):
    digits = Digits(train=train)
    return digits.data.reshape(len(digits), 64).float() / 16, digits.targets


def test_digits(compiled):
    jg.manual_seed(0)
    loader = DataLoader(TensorDataset(*split(True)), batch_size=64, shuffle=True, drop_last=True)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))
    optimizer = jg.optim.Adam(net.parameters(), lr=0.01)
    criterion, losses = nn.CrossEntropyLoss(), []
    for _ in range(5):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.detach())
    images, labels = split(False)
    with jg.no_grad():
        right = (net.eval()(images).argmax(1) == labels).float().mean().item()
    assert losses[0].item() > 2 and losses[-1].item() < 0.6 and right > 0.85


def losses(mode):
    """Losses of a few steps through most of the room's parts, with a changing rate."""
    with jg.mode("eager" if mode == "eager" else "lazy"):
        jg.manual_seed(0)
        data = TensorDataset(jg.randn(40, 5), jg.randint(0, 3, (40,)))
        net = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.GELU(), nn.Dropout(0.2))
        net.append(nn.Linear(4, 3))
        optimizer = jg.optim.AdamW(net.parameters(), lr=0.05)
        scheduler = jg.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.9)
        criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

        def step(inputs, targets):
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            return loss

        step = jg.compile(step) if mode == "compiled" else step
        out = []
        for inputs, targets in DataLoader(data, batch_size=8, shuffle=True):
            out.append(step(inputs, targets).item())
            scheduler.step()
        return out


def test_modes_have_the_same_bits():
    assert losses("lazy") == losses("eager") == losses("compiled")


def test_steps_leave_nothing_behind(compiled):
    """No reference cycles: with the collector off, live objects stand still."""
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1), nn.Linear(4, 2))
    optimizer = jg.optim.Adam(net.parameters())
    inputs = jg.ones(8, 4)

    def steps(count):
        for _ in range(count):
            optimizer.zero_grad()
            (net(inputs) ** 2).mean().backward()
            optimizer.step()
        return len(gc.get_objects())

    steps(5)
    gc.collect()
    gc.disable()
    try:
        before = steps(5)
        assert steps(100) <= before + 20
    finally:
        gc.enable()
