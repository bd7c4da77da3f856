from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts import services
from portal.accounts.models import User
from portal.core.admin import site


@admin.register(User, site=site)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """People. Their second factors can be reset, never seen."""

    actions = ("reset_second_factor",)

    @admin.action(description="Reset the second factor of the selected people")
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            services.reset_second_factor(user=user)
        messages.info(request, "They set up a new second factor when they sign in next.")
