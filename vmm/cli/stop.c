// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo stop: the power button, or the plug. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "../error.h"
#include "../options_table.h"
#include "remote.h"
#include "commands.h"

struct stop_args {
	bool force;
	unsigned int timeout;
};

static const struct opt stop_options[] = {
	{ .name = "force",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct stop_args, force) },
	{ .name = "timeout",
	  .kind = OPT_UINT,
	  .def = "60",
	  .max = 1000000,
	  .offset = offsetof(struct stop_args, timeout) },
	{ 0 }
};

/* A guest that is paused cannot see its power button. */
static int check_runs(struct remote *c, struct error *err)
{
	json_t *ret;
	const char *status;
	bool runs;
	int rc;

	rc = remote_execute(c, "query-status", NULL, &ret, err);
	if (rc)
		return rc;
	status = json_string_value(json_object_get(ret, "status"));
	runs = json_is_true(json_object_get(ret, "running"));
	if (!runs)
		rc = error_set(err, EBUSY,
			       "%s is %s (vireo resume it first, or stop --force)",
			       remote_name(c), status ? status : "not running");
	json_decref(ret);
	return rc;
}

static int stop(struct remote *c, const struct stop_args *args,
		struct error *err)
{
	int rc = args->force ? 0 : check_runs(c, err);

	if (!rc)
		rc = remote_execute(c,
				    args->force ? "quit" : "system_powerdown",
				    NULL, NULL, err);
	/* It may be gone before it has answered. */
	if (rc && rc != -EPIPE)
		return rc;
	if (!args->timeout)
		return 0;
	rc = remote_wait_end(c, (int)args->timeout * 1000, err);
	if (rc == -ETIMEDOUT)
		error_set(err, ETIMEDOUT, "%s still runs after %u s%s",
			  remote_name(c), args->timeout,
			  args->force ? "" : " (--force does not ask it)");
	return rc;
}

int cli_stop(int argc, char **argv, struct error *err)
{
	struct stop_args args = { 0 };
	const char *name;
	struct remote *c;
	int rc;

	if (cli_parse(argc, argv, stop_options, &args, &name, 1, 1, err) < 0)
		return STATUS_USAGE;
	rc = remote_open(&c, name, REMOTE_LIMIT_MS, err);
	if (rc)
		return cli_status(rc);
	rc = stop(c, &args, err);
	remote_close(c);
	/* What came before the end was no failure. */
	if (!rc)
		*err = (struct error){ "" };
	return cli_status(rc);
}
