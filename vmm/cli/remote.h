/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of QMP: one connection to a machine that runs, with
 * blocking calls that end within a limit.
 */
#ifndef VIREO_CLI_REMOTE_H
#define VIREO_CLI_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../control/rundir.h"

struct remote;
struct error;
struct json_t;

/* How long a machine may take for an answer. */
#define REMOTE_LIMIT_MS 10000

/*
 * Connects to machine @name, which answers within @limit_ms, and negotiates.
 * -ESRCH: there is none; what one that was killed has left is removed.
 */
int remote_open(struct remote **c, const char *name, int limit_ms,
		struct error *err);
void remote_close(struct remote *c);

const char *remote_name(const struct remote *c);
/* Of the process that listens; 0 if it is not to be seen from here. */
pid_t remote_pid(const struct remote *c);
int remote_fd(const struct remote *c);

/*
 * Carries out @command with @args (or NULL), which it takes.  With @ret, the
 * result is the caller's.  -EREMOTEIO: the machine refused, and said why.
 */
int remote_execute(struct remote *c, const char *command, struct json_t *args,
		   struct json_t **ret, struct error *err);

/*
 * Passes @fd, which stays the caller's, and tells the name by which commands know
 * it, at least REMOTE_FD_NAME long.  @opaque, or NULL, is for people.
 */
#define REMOTE_FD_NAME 32
int remote_pass_fd(struct remote *c, int fd, const char *opaque, char *name,
		   struct error *err);
/* The machine closes what was passed by that name. */
int remote_forget_fd(struct remote *c, const char *name, struct error *err);

/* As remote_execute, but a command that is not there is no error: *ret NULL. */
int remote_try(struct remote *c, const char *command, struct json_t *args,
	       struct json_t **ret, struct error *err);

/* As remote_execute, with a descriptor of ours, which stays ours. */
int remote_send_fd(struct remote *c, int fd, const char *command,
		   struct json_t *args, struct json_t **ret, struct error *err);

/* Sends a message as it is. */
int remote_send(struct remote *c, const struct json_t *msg, struct error *err);
/*
 * The next message, whatever it is; with @limit_ms -1 it waits for ever.
 * -ETIMEDOUT; -EPIPE: the machine has ended, or closed the connection.
 */
int remote_receive(struct remote *c, int limit_ms, struct json_t **msg,
		   struct error *err);
/* There is a whole message that remote_receive would return at once. */
bool remote_pending(const struct remote *c);

/*
 * Waits until the machine's process has ended; -ETIMEDOUT.  With @limit_ms -1
 * for ever.
 */
int remote_wait_end(struct remote *c, int limit_ms, struct error *err);

/* ---- all machines ---- */

struct machines {
	char (*names)[RUNDIR_NAME_MAX]; /* sorted */
	size_t count;
};

/* Those that have a socket; none is no error. */
int machines_list(struct machines *m, struct error *err);
void machines_free(struct machines *m);

#endif
