"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher, get_hashers, identify_hasher

from portal.accounts.models import User


class Argon2(Argon2PasswordHasher):
    """Argon2id with the second recommended option of RFC 9106 section 4: 64 MiB and 3 passes.

    Django's own default takes 100 MiB and 8 threads for each sign-in.
    """

    time_cost = 3
    memory_cost = 64 * 1024
    parallelism = 4


def hash_in_other_ways(username: str, password: str) -> None:
    """After a wrong password: hash it in each way in which people's passwords are hashed, except
    the one that was tried. Otherwise the time of an answer would tell which names exist, as long as
    hashes of older releases are left.
    """
    people = User.objects.all()
    saved = people.filter(username=username).values_list("password", flat=True).first()
    preferred, *older = get_hashers()
    try:
        tried = identify_hasher(saved or "").algorithm
    except ValueError:
        # Django hashes in the preferred way if there is no hash to compare with.
        tried = preferred.algorithm
    in_use = [
        hasher
        for hasher in older
        if people.filter(password__startswith=f"{hasher.algorithm}$").exists()
    ]
    for hasher in (preferred, *in_use):
        if hasher.algorithm != tried:
            hasher.encode(password, hasher.salt())
