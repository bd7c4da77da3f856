"""The scorecard over all organizations, and its table."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.accounts.access import person_of
from portal.organizations import founding
from portal.web.rendering import render_page
from portal.web.scorecard.staff_page import staff_scorecard_page
from portal.web.scorecard.views import csv_file


@require_safe
def scorecard(request: HttpRequest) -> HttpResponse:
    founding.MAY_ADD.require(person_of(request))
    page = staff_scorecard_page(request.GET.dict(), timezone.now())
    return render_page(request, page, status=page.chosen.status)


@require_safe
def scorecard_csv(request: HttpRequest) -> HttpResponse:
    founding.MAY_ADD.require(person_of(request))
    return csv_file(request, None)
