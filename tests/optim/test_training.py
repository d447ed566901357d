"""Rooms together: a classifier trains on the built-in digits, compiled, without reading a value."""

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
