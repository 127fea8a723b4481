// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "../options_table.h"

const struct cli_command cli_commands[] = {
	{ "ps", "[--json|--quiet]", "list the machines that run", cli_ps },
	{ "pause", "NAME", "stop a machine's processors", cli_pause },
	{ "resume", "NAME", "let a paused machine go on", cli_resume },
	{ "reset", "NAME", "press a machine's reset button", cli_reset },
	{ "stop", "NAME [--force] [--timeout SECONDS]",
	  "press a machine's power button and wait until it is off", cli_stop },
	{ "console", "NAME", "attach this terminal to a machine's console",
	  cli_console },
	{ "stats", "NAME [--json] [--interval SECONDS]",
	  "count a machine's exits per second, by reason", cli_stats },
	{ "qmp", "NAME [COMMAND [JSON]]", "talk QMP to a machine", cli_qmp },
	{ "inspect", "NAME|FILE [--json]",
	  "tell all about a machine that runs, or a snapshot", cli_inspect },
	{ "resize", "NAME DISK [SIZE]",
	  "give a machine's disk another size, or the one that its file has",
	  cli_resize },
	{ "snapshot", "NAME DIR [--live] [--json]",
	  "keep a machine as it is now in a new directory", cli_snapshot },
	{ "attach",
	  "NAME disk FILE|net TAP|rng [--id ID] [--serial TEXT] [--format F] "
	  "[--ro] [--mac ADDRESS]",
	  "plug a device into a machine that runs", cli_attach },
	{ "detach", "NAME DEVICE [--timeout SECONDS]",
	  "take a device out of a machine that runs", cli_detach },
	{ "net", "[INTERFACE [BRIDGE]] [--queues N]",
	  "print how to set up a TAP interface on the host", cli_net },
	{ "img", "info|check|create|convert|resize|snapshot ...",
	  "work with disk images", cli_img },
	{ "config", "--check|--print FILE [OPTION...] | --schema",
	  "check or complete a configuration file", cli_config },
	{ 0 }
};

int cli_run(const struct cli_command *command, int argc, char **argv,
	    struct error *err)
{
	if (argc && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
		printf("Usage: vireo %s %s\n\nTo %s; see vireo(1).\n",
		       command->name, command->synopsis, command->help);
		return STATUS_OFF;
	}
	return command->run(argc, argv, err);
}

/* The option at argv[0] and its value; returns how many words they are. */
static int parse_option(int argc, char **argv, const struct opt *options,
			void *base, struct error *err)
{
	const char *given = argv[0] + 2, *text = NULL, *near = NULL;
	char name[OPT_NAME_MAX + 1];
	size_t len = strcspn(given, "=");
	const struct opt *o = NULL;
	int used = 1, rc;

	snprintf(name, sizeof(name), "%.*s", (int)len, given);
	if (options) {
		o = len < sizeof(name) ? opt_find(options, name) : NULL;
		near = opt_nearest(options, "--", name);
	}
	if (!o)
		return error_set(err, EINVAL, "unknown option --%s%s%s%s", name,
				 near ? " (did you mean --" : "",
				 near ? near : "", near ? "?)" : "");
	if (given[len]) {
		text = given + len + 1;
	} else if (o->kind != OPT_BOOL && argc > 1) {
		text = argv[1];
		used = 2;
	}
	rc = opt_set(o, base, text, err);
	if (rc)
		error_prefix(err, "--%s%s%.64s", name, text ? " " : "",
			     text ? text : "");
	return rc ? rc : used;
}

int cli_parse(int argc, char **argv, const struct opt *options, void *base,
	      const char **words, int least, int most, struct error *err)
{
	const struct opt *o;
	int count = 0, rc;

	for (o = options; o && o->name; o++) {
		rc = opt_set_default(o, base, err);
		if (rc)
			return rc;
	}
	while (argc) {
		rc = 1;
		if (!strncmp(argv[0], "--", 2)) {
			rc = parse_option(argc, argv, options, base, err);
			if (rc < 0)
				return rc;
		} else if (count == most) {
			return error_set(err, EINVAL, "'%.64s' is one too many",
					 argv[0]);
		} else {
			words[count++] = argv[0];
		}
		argc -= rc;
		argv += rc;
	}
	if (count < least)
		return error_set(err, EINVAL,
				 "which machine? (vireo ps lists them)");
	return count;
}

int cli_status(int rc)
{
	switch (rc) {
	case 0:
		return STATUS_OFF;
	case -ESRCH:
		return STATUS_ABSENT;
	case -ETIMEDOUT:
		return STATUS_TIMEOUT;
	default:
		return STATUS_ERROR;
	}
}
