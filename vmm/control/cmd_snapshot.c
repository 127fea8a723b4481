// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots in files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../migrate/snapshot.h"
#include "commands.h"
#include "server.h"

struct job {
	struct qmp_call *call;
	int state;
	int memory;
};

static void job_free(struct job *job)
{
	if (job->state >= 0)
		close(job->state);
	if (job->memory >= 0)
		close(job->memory);
	free(job);
}

static void on_done(void *opaque, int rc, const struct snapshot_stat *stat,
		    const struct error *err)
{
	struct job *job = opaque;
	json_t *ret;

	if (rc)
		ret = qmp_fail(job->call, "GenericError", "%s", err->text);
	else
		ret = json_pack("{s:I,s:I,s:I}", "paused-ns",
				(json_int_t)stat->paused_ns, "written",
				(json_int_t)stat->written, "copied",
				(json_int_t)stat->copied);
	qmp_finish(job->call, ret);
	job_free(job);
}

/* A descriptor of our own for a file that is empty; -1, and the call has failed. */
static int open_file(struct qmp_call *call, json_t *args, const char *key)
{
	const char *path = json_string_value(json_object_get(args, key));
	int fd = qmp_file(call, path);

	if (fd < 0)
		return -1;
	if (fd)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		qmp_fail(call, "GenericError", "cannot open %s: %s", path,
			 strerror(errno));
	return fd;
}

json_t *cmd_snapshot(struct qmp_call *call, json_t *args)
{
	bool live = json_is_true(json_object_get(args, "live"));
	struct job *job = malloc(sizeof(*job));
	struct error err = { "" };

	if (!job)
		return qmp_fail(call, "GenericError", "out of memory");
	*job = (struct job){ .call = call, .state = -1, .memory = -1 };
	job->state = open_file(call, args, "state");
	if (job->state >= 0)
		job->memory = open_file(call, args, "memory");
	if (job->memory < 0) {
		job_free(job);
		return NULL;
	}
	if (snapshot_begin(call->control->vm, job->state, job->memory, live,
			   on_done, job, &err)) {
		job_free(job);
		return qmp_fail(call, "GenericError", "%s", err.text);
	}
	return QMP_LATER;
}
