/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of `vireo run`: one table stands behind the command line, the JSON
 * file of --config and --help.
 *
 * What is given on the command line overrides the file, wherever --config
 * stands: a sub-option replaces a sub-option, and the disks of the command
 * line replace all disks of the file.
 */
#ifndef VIREO_OPTIONS_H
#define VIREO_OPTIONS_H

#include <stdio.h>

struct config;
struct error;
struct json_t;

/*
 * @argv is what follows the subcommand.  Fills @cfg, which the caller frees;
 * on error there is nothing to free.  Returns 1 if --help was asked for: it is
 * printed, and @cfg is empty.
 */
int options_parse(struct config *cfg, int argc, char **argv, struct error *err);

/* All options at their defaults; --kernel, which has none, is NULL. */
int options_defaults(struct config *cfg, struct error *err);
/* Sets in @cfg, which has its defaults at least, what the file says. */
int options_load_json(struct config *cfg, const char *path, struct error *err);
/*
 * What options_load_json() would read as the same configuration, with all that
 * it left to the defaults.  NULL: out of memory.
 */
struct json_t *options_to_json(const struct config *cfg);
/* The JSON schema of what options_load_json() accepts; NULL: out of memory. */
struct json_t *options_schema(void);
/* Harmless on a config that is free already. */
void config_free(struct config *cfg);

void options_help(FILE *out);

#endif
