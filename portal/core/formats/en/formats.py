"""Time formats of Django's own pages (the staff site): 24 hours, day before month, as on the
portal's pages.
"""

DATE_FORMAT = "j F Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "j F Y, H:i:s"
YEAR_MONTH_FORMAT = "F Y"
MONTH_DAY_FORMAT = "j F"
SHORT_DATE_FORMAT = "Y-m-d"
SHORT_DATETIME_FORMAT = "Y-m-d H:i:s"
