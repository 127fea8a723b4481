/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples as text: one function for each format.  All write to @out and leave
 * its errors to the caller to look at; 0 or -ENOMEM.
 */
#ifndef VIREO_STAT_FORMAT_H
#define VIREO_STAT_FORMAT_H

#include <stdio.h>

#include "object.h"

/*
 * Tables: of all VMs, and if there is just one, of all that it has.  Rates if
 * the sample has them, else totals.
 */
int format_table(const struct sample *s, FILE *out);

/* One object in one line. */
int format_json(const struct sample *s, FILE *out);

/* The header, and a line for each number of a sample (RFC 4180, but \n). */
void format_csv_header(FILE *out);
int format_csv(const struct sample *s, FILE *out);

/* The text exposition format, version 0.0.4. */
int format_prometheus(const struct sample *s, FILE *out);

/* "kvm" and "vireo" */
extern const char *const source_names[NR_SOURCES];
/* "host", "vm", "vcpu", "region" */
extern const char *const kind_names[NR_OBJECT_KINDS];

#endif
