from __future__ import annotations

from django.apps import AppConfig


class SsoConfig(AppConfig):
    name = "portal.sso"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from portal.accounts.models import User
        from portal.accounts.signals import password_accepted
        from portal.core.secrets import further_columns
        from portal.organizations.members import other_sign_ins
        from portal.organizations.models import Membership
        from portal.sso import queries
        from portal.sso.models import SingleSignOn
        from portal.sso.required import refuse_password
        from portal.sso.services.ending import end_after_joining, end_of_staff

        further_columns.append((SingleSignOn, "encrypted_secret"))
        password_accepted.connect(refuse_password)
        other_sign_ins.connect(queries.signs_in_there)
        post_save.connect(end_after_joining, sender=Membership)
        post_save.connect(end_of_staff, sender=User)
