"""The three locks again in plain NumPy, from the papers' words; randomness is handed in.

`step(action, flip, coin)` takes what chance decides: `flip`, the two good states change places;
`coin`, the reward for falling is paid.
"""

import numpy as np


def one_hot(index, size):
    v = np.zeros(size)
    if 0 <= index < size:
        v[index] = 1.0
    return v


class Diabolical:
    def __init__(self, right, place):
        self.right, self.place, self.h = right, "ab"[place], 0
        self.horizon = len(right["a"])

    def step(self, action, flip, coin):
        reward = 0.0
        if self.place in "ab":
            if action == self.right[self.place][self.h]:
                if self.h == self.horizon - 1:
                    reward = 5.0
                if flip:
                    self.place = "b" if self.place == "a" else "a"
            else:
                self.place, reward = "c", 0.1 if coin else 0.0
        self.h += 1
        return self.place, reward, self.h == self.horizon

    def index(self):
        return "abc".index(self.place)

    def code(self):
        return np.concatenate([one_hot(self.index(), 3), one_hot(self.h, self.horizon + 1)])


class Bidirectional:
    def __init__(self, rights, prizes):
        self.rights, self.prizes = rights, prizes
        self.inside, self.h, self.lock = None, 0, None
        self.horizon = len(rights[0]["a"]) + 1

    def step(self, action, flip, coin):
        if self.h == 0:
            self.lock = 0 if action < 5 else 1
            self.inside = Diabolical(self.rights[self.lock], int(flip))
            reward = 0.0
        else:
            was = self.inside.place
            self.inside.step(action, flip, coin)
            reward = 0.0
            if was != "c" and self.inside.place != "c":
                last = self.h == self.horizon - 1
                reward = self.prizes[self.lock] if last else -1.0 / (self.horizon - 2)
        self.h += 1
        return self.inside.place, reward, self.h == self.horizon

    def index(self):
        return 6 if self.lock is None else 3 * self.lock + self.inside.index()

    def code(self):
        if self.lock is None:
            return np.zeros(2 * self.horizon + 3)
        zeros = np.zeros(self.horizon - 1)
        return np.concatenate([self.inside.code(), zeros, [float(self.lock)]])


class Stochastic:
    def __init__(self, right, place):
        self.right, self.place, self.h = right, "ab"[place], 0
        self.horizon = len(right["a"])

    def step(self, action, flip, coin):
        last = self.h == self.horizon - 1
        if self.place == "c":
            reward = 0.0
        else:
            stay = self.right[self.place][self.h]
            cross = (stay + 1) % 4
            if action not in (stay, cross):
                self.place, reward = "c", 0.0 if last else 0.1
            else:
                crossing = action == cross
                if flip and not last:
                    crossing = not crossing
                if crossing:
                    self.place = {"a": "b", "b": "a"}[self.place]
                reward = 5.0 if last else -1.0 / self.horizon
        self.h += 1
        return self.place, reward, self.h == self.horizon

    def index(self):
        return "abc".index(self.place)

    def code(self):
        return one_hot(self.index(), 3)
