"""Which keys get a metric series of their own; the rest share one (design §10).

Two things are bounded: the series, and the memory for telling who should have one. A key keeps its
place until another is clearly busier, because a series that comes and goes is worse than none.
"""

__all__ = ["Busiest"]

# A challenger takes a place only when it was this many times as busy as who holds it.
LEAD = 2

# How many challengers are counted for each place that exists.
CHALLENGERS_PER_PLACE = 4


class Busiest:
    """The busiest keys of late: at most `places` of them at any time.

    Who has no place is counted by the Misra-Gries algorithm ("Finding repeated elements", 1982):
    with room for k challengers, whoever makes more than 1/(k+1) of their requests is not missed.
    """

    def __init__(self, places: int) -> None:
        """`places` may be 0: then nobody has one."""
        self._places = places
        self._room = places * CHALLENGERS_PER_PLACE
        self._placed: dict[str, int] = {}
        self._challengers: dict[str, int] = {}

    def seen(self, key_id: str, times: int = 1) -> bool:
        """Count so many requests of `key_id`; say whether it has a place. A free place is taken at once."""
        placed = self._placed
        if key_id in placed:
            placed[key_id] += times
            return True
        if len(placed) < self._places:
            placed[key_id] = self._challengers.pop(key_id, 0) + times
            return True
        self._challenge(key_id, times)
        return False

    def review(self) -> tuple[str, ...]:
        """Give places to those who are clearly busier; return who lost one. Call at regular intervals.

        Counts are halved each time, so that a key is judged by its use of late.
        """
        holders = sorted(self._placed, key=self._placed.__getitem__)
        rising = sorted(self._challengers, key=self._challengers.__getitem__, reverse=True)
        lost = []
        for holder, challenger in zip(holders, rising, strict=False):
            if self._challengers[challenger] < LEAD * max(1, self._placed[holder]):
                break
            self._placed[challenger] = self._challengers.pop(challenger)
            del self._placed[holder]
            lost.append(holder)
        self._placed = {key: count // 2 for key, count in self._placed.items()}
        self._challengers = {
            key: count // 2 for key, count in self._challengers.items() if count > 1
        }
        return tuple(lost)

    def _challenge(self, key_id: str, times: int) -> None:
        challengers = self._challengers
        if key_id in challengers:
            challengers[key_id] += times
        elif len(challengers) < self._room:
            challengers[key_id] = times
        elif self._room:
            # Each of these requests takes one from every challenger, until one of them makes room.
            fewer = min(times, *challengers.values())
            self._challengers = {
                key: count - fewer for key, count in challengers.items() if count > fewer
            }
            if times > fewer:
                self._challengers[key_id] = times - fewer
