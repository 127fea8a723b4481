// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo config: checks, completes and describes configuration files. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../config.h"
#include "../error.h"
#include "../options.h"
#include "commands.h"

static int print_json(json_t *value, struct error *err)
{
	int rc = value ? json_dumpf(value, stdout, JSON_INDENT(2)) : -1;

	json_decref(value);
	if (rc) {
		error_set(err, EIO, "cannot print JSON");
		return STATUS_ERROR;
	}
	putchar('\n');
	return STATUS_OFF;
}

/*
 * @argv is a file, unless it begins with an option, and further options: what
 * `vireo run --config FILE OPTION...` would make of them.
 */
static int read_config(struct config *cfg, int argc, char **argv,
		       struct error *err)
{
	char **args = calloc((size_t)argc + 2, sizeof(*args));
	int count = 0, i, rc;

	if (!args)
		return error_sys(err, ENOMEM, "cannot read a configuration");
	if (argc && strncmp(argv[0], "--", 2))
		args[count++] = "--config";
	for (i = 0; i < argc; i++)
		args[count++] = argv[i];
	rc = options_parse(cfg, count, args, err);
	free(args);
	return rc;
}

int cli_config(int argc, char **argv, struct error *err)
{
	const char *what = argc ? argv[0] : "";
	struct config cfg = { 0 };
	int status = STATUS_OFF, rc;

	if (!strcmp(what, "--schema") && argc == 1)
		return print_json(options_schema(), err);
	if (argc < 2 || (strcmp(what, "--check") && strcmp(what, "--print"))) {
		error_set(err, EINVAL,
			  "config wants --check FILE, --print FILE or --schema");
		return STATUS_USAGE;
	}
	rc = read_config(&cfg, argc - 1, argv + 1, err);
	if (rc) /* 1 is --help, which is printed */
		return rc < 0 ? STATUS_USAGE : STATUS_OFF;
	if (!strcmp(what, "--print"))
		status = print_json(options_to_json(&cfg), err);
	config_free(&cfg);
	return status;
}
