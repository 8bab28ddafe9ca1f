from __future__ import annotations

import random

from vlcorpus.net.share import Share


def test_it_is_halved_once_for_all_that_were_under_way_together() -> None:
    share = Share(8)
    share.too_many(1.0, 2.0)
    share.too_many(1.5, 2.1)
    share.too_many(1.9, 5.0)
    assert (share.now, share.at(1.9), share.at(2.0)) == (4, 8, 4)
    share.too_many(2.0, 5.0)
    assert share.now == 2
    for began in (6.0, 8.0, 10.0):
        share.too_many(began, began + 1)
    assert share.now == 1


def test_it_grows_by_one_after_ten_full_shares_in_a_row() -> None:
    share = Share(8)
    share.too_many(0.0, 1.0)
    seen = []
    for _ in range(300):
        share.went_well()
        seen.append(share.now)
    assert [seen.count(n) for n in range(4, 9)] == [39, 50, 60, 70, 81]
    share.too_many(2.0, 3.0)
    for _ in range(39):
        share.went_well()
    share.too_many(3.0, 4.0)
    assert share.now == 2


def test_what_a_server_refuses_stays_rare_whatever_it_bears() -> None:
    source = random.Random(0)
    for capacity in (1, 2, 3, 5, 8, 13):
        share, now, done, refused = Share(16), 0.0, 0, 0
        while done < 1000:
            # A round: so many requests at once, of which the server takes `capacity`, which end in any order.
            outcomes = [n < capacity for n in range(share.now)]
            source.shuffle(outcomes)
            began = now
            for is_good in outcomes:
                now += 1.0
                if is_good:
                    done += 1
                    share.went_well()
                else:
                    refused += 1
                    share.too_many(began, now)
        assert refused <= 32 + 1000 / 10
        assert share.now <= capacity + 1
