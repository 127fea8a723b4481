// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo pause, resume, reset: one QMP command each. */
#include "../error.h"
#include "remote.h"
#include "commands.h"

static int one_command(int argc, char **argv, const char *command,
		       struct error *err)
{
	const char *name;
	struct remote *c;
	int rc;

	if (cli_parse(argc, argv, NULL, NULL, &name, 1, 1, err) < 0)
		return STATUS_USAGE;
	rc = remote_open(&c, name, REMOTE_LIMIT_MS, err);
	if (rc)
		return cli_status(rc);
	rc = remote_execute(c, command, NULL, NULL, err);
	remote_close(c);
	return cli_status(rc);
}

int cli_pause(int argc, char **argv, struct error *err)
{
	return one_command(argc, argv, "stop", err);
}

int cli_resume(int argc, char **argv, struct error *err)
{
	return one_command(argc, argv, "cont", err);
}

int cli_reset(int argc, char **argv, struct error *err)
{
	return one_command(argc, argv, "system_reset", err);
}
