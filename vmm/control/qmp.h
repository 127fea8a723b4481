/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP without its transport: from a message to its answer.
 *
 * A session begins with a greeting, and every command is refused until
 * qmp_capabilities was executed.  Then commands are executed one after the
 * other, and answered in that order; with "exec-oob" those that can be, at
 * once.
 *
 * All of it runs in the main thread.
 */
#ifndef VIREO_CONTROL_QMP_H
#define VIREO_CONTROL_QMP_H

#include <jansson.h>
#include <stdbool.h>

#include "../error.h"

struct control;
struct qmp_call;

/* A command's way to say that qmp_finish will follow. */
#define QMP_LATER ((json_t *)-1)

struct qmp_command {
	const char *name; /* NULL ends a table */
	/*
	 * Returns the result, or NULL after qmp_fail, or QMP_LATER.  Must not
	 * block.  @args, never NULL, is borrowed and has been checked.
	 */
	json_t *(*run)(struct qmp_call *call, json_t *args);
	const char *args; /* as schema_check has it; NULL: none */
	const char *ret;  /* a type; NULL: an empty object */
	bool oob;	  /* can be executed with "exec-oob" */
};

/* commands.c */
extern const struct qmp_command qmp_commands[];

struct qmp_session {
	struct control *control;
	const struct qmp_command *commands;
	/* Sends an answer, which it borrows; NULL: there is no memory for it. */
	void (*send)(struct qmp_session *session, json_t *answer);
	bool negotiated;
	bool oob;		/* was asked for */
	bool busy;		/* a command is executed that is not urgent */
	struct qmp_call *calls; /* that are not finished */
};

/* A command that is being executed. */
struct qmp_call {
	struct control *control;
	struct qmp_session *session; /* NULL: it has ended meanwhile */
	struct qmp_call *next;	     /* of the session's */
	json_t *id;
	json_t *error;
	bool oob;
};

/* A message: a JSON value, or what is wrong with it. */
struct qmp_request {
	json_t *value;
	struct error fault; /* if value is NULL */
};

json_t *qmp_greeting(void);
json_t *qmp_event(const char *name, json_t *data);

/* The caller releases value. */
void qmp_request_parse(struct qmp_request *req, const char *text, size_t len);

/*
 * Whether @req goes before those that wait.  The others are executed one at a
 * time, while session->busy is false.
 */
bool qmp_is_urgent(const struct qmp_session *session,
		   const struct qmp_request *req);
/* Sends an answer, now or later. */
void qmp_execute(struct qmp_session *session, const struct qmp_request *req);

/* Nobody waits for its answers any more. */
void qmp_session_end(struct qmp_session *session);

json_t *qmp_capabilities(struct qmp_call *call, json_t *args);
json_t *qmp_query_version(struct qmp_call *call, json_t *args);
json_t *qmp_query_commands(struct qmp_call *call, json_t *args);
json_t *qmp_query_schema(struct qmp_call *call, json_t *args);

/* ---- for commands ---- */

/* @class as QEMU's: GenericError, CommandNotFound, DeviceNotFound.  NULL. */
json_t *qmp_fail(struct qmp_call *call, const char *class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A string of what may not be UTF-8, a file's name for one. */
json_t *qmp_text(const char *text);
/* Ends a call that was left with QMP_LATER; NULL after qmp_fail. */
void qmp_finish(struct qmp_call *call, json_t *result);

#endif
