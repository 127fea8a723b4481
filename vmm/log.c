// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void log_va(const char *who, const char *fmt, va_list ap)
{
	char line[512];
	int n, used;

	used = snprintf(line, sizeof(line), "vireo: %s%s", who ? who : "",
			who ? ": " : "");
	n = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, ap);
	if (n < 0)
		return;
	used += n;
	if (used > (int)sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	/* One write, so that lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return;
}

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	log_va(who, fmt, ap);
	va_end(ap);
}

void log_guest(struct log_limit *limit, const char *who, const char *fmt, ...)
{
	uint32_t seen;
	va_list ap;

	seen = __atomic_fetch_add(&limit->seen, 1, __ATOMIC_RELAXED);
	if (log_level < LOG_WARN || (seen >= 10 && seen % 4096))
		return;
	va_start(ap, fmt);
	log_va(who, fmt, ap);
	va_end(ap);
}
