/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_LOG_H
#define VIREO_LOG_H

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Set by main.c from --log, read by everybody, never changed once vCPUs run. */
extern enum log_level log_level;

/* One line on standard error: "vireo: <who>: <message>"; @who may be NULL. */
void log_line(enum log_level level, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(who, ...) log_line(LOG_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...) log_line(LOG_WARN, who, __VA_ARGS__)
#define log_info(who, ...) log_line(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) log_line(LOG_DEBUG, who, __VA_ARGS__)

/*
 * Guest faults can be repeated without end: each place that logs one owns a
 * log_limit and lets its first ten lines through, then one in 4096.
 */
struct log_limit {
	uint32_t seen;
};

void log_guest(struct log_limit *limit, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
