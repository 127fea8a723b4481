/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_ERROR_H
#define VIREO_ERROR_H

/*
 * Errors travel upwards: a function returns 0 or -errno and, where a person
 * will want to know more, fills the caller's struct error with one sentence
 * that says what was tried, why it failed and what to do.  Only main.c prints
 * it.  No function both logs an error and returns it.
 */
struct error {
	char text[384];
};

/*
 * Formats "<message>" into @err (which may be NULL) and returns -@errnum.
 * The _sys variant appends ": <strerror(errnum)>".
 */
int error_set(struct error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_sys(struct error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "<prefix>: " before the text that @err already holds. */
void error_prefix(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
