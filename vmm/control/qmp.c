// SPDX-License-Identifier: GPL-2.0-or-later
#include "qmp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schema.h"

/* Whose names and shapes these are. */
#define QEMU_MAJOR 7
#define QEMU_MINOR 2
#define QEMU_MICRO 0

/* ---- what is sent ---------------------------------------------------------- */

static json_t *qmp_version(void)
{
	return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "major", QEMU_MAJOR,
			 "minor", QEMU_MINOR, "micro", QEMU_MICRO, "package",
			 "vireo " VIREO_VERSION);
}

json_t *qmp_greeting(void)
{
	return json_pack("{s:{s:o,s:[s]}}", "QMP", "version", qmp_version(),
			 "capabilities", "oob");
}

json_t *qmp_event(const char *name, json_t *data)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return json_pack("{s:{s:I,s:I},s:s,s:o*}", "timestamp", "seconds",
			 (json_int_t)now.tv_sec, "microseconds",
			 (json_int_t)now.tv_nsec / 1000, "event", name, "data",
			 data);
}

json_t *qmp_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy, *p;

	if (string)
		return string;
	copy = strdup(text);
	for (p = copy; p && *p; p++)
		if (*p & 0x80)
			*p = '?';
	string = copy ? json_string(copy) : NULL;
	free(copy);
	return string;
}

/* ---- calls ----------------------------------------------------------------- */

json_t *qmp_fail(struct qmp_call *call, const char *class, const char *fmt, ...)
{
	char text[sizeof(struct error)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_decref(call->error);
	call->error =
		json_pack("{s:s,s:o}", "class", class, "desc", qmp_text(text));
	return NULL;
}

static void forget(struct qmp_call *call)
{
	struct qmp_call **p;

	if (!call->session)
		return;
	for (p = &call->session->calls; *p; p = &(*p)->next)
		if (*p == call) {
			*p = call->next;
			break;
		}
	if (!call->oob)
		call->session->busy = false;
}

void qmp_finish(struct qmp_call *call, json_t *result)
{
	struct qmp_session *session = call->session;
	json_t *answer;

	forget(call);
	if (!result && !call->error)
		qmp_fail(call, "GenericError", "out of memory");
	answer = call->error ? json_pack("{s:O*,s:O}", "id", call->id, "error",
					 call->error) :
			       json_pack("{s:O,s:O*}", "return", result, "id",
					 call->id);
	if (session)
		session->send(session, answer);
	json_decref(answer);
	json_decref(result);
	json_decref(call->error);
	json_decref(call->id);
	free(call);
}

void qmp_session_end(struct qmp_session *session)
{
	struct qmp_call *call;

	for (call = session->calls; call; call = call->next)
		call->session = NULL;
	session->calls = NULL;
	session->busy = false;
}

/* ---- requests -------------------------------------------------------------- */

void qmp_request_parse(struct qmp_request *req, const char *text, size_t len)
{
	json_error_t why;

	req->value = json_loadb(text, len,
				JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!req->value) {
		error_set(&req->fault, 0, "JSON parse error, %s", why.text);
	} else if (!json_is_object(req->value)) {
		json_decref(req->value);
		req->value = NULL;
		error_set(&req->fault, 0, "QMP input must be a JSON object");
	}
}

bool qmp_is_urgent(const struct qmp_session *session,
		   const struct qmp_request *req)
{
	return session->oob && json_object_get(req->value, "exec-oob") &&
	       !json_object_get(req->value, "execute");
}

static const struct qmp_command *find(const struct qmp_command *commands,
				      const char *name)
{
	const struct qmp_command *c;

	for (c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* The command's name, or NULL after qmp_fail. */
static const char *check_members(struct qmp_call *call, json_t *request)
{
	const char *key, *which = NULL;
	json_t *value, *name = NULL;

	json_object_foreach(request, key, value) {
		if (!strcmp(key, "execute") ||
		    (!strcmp(key, "exec-oob") && call->session->oob)) {
			if (!json_is_string(value)) {
				qmp_fail(call, "GenericError",
					 "QMP input member '%s' must be a string",
					 key);
				return NULL;
			}
			if (which) {
				qmp_fail(call, "GenericError",
					 "QMP input member '%s' clashes with '%s'",
					 key, which);
				return NULL;
			}
			which = key;
			name = value;
		} else if (!strcmp(key, "arguments")) {
			if (!json_is_object(value)) {
				qmp_fail(call, "GenericError",
					 "QMP input member 'arguments' must be an object");
				return NULL;
			}
		} else if (strcmp(key, "id") != 0) {
			qmp_fail(call, "GenericError",
				 "QMP input member '%.64s' is unexpected", key);
			return NULL;
		}
	}
	if (!name)
		qmp_fail(call, "GenericError",
			 "QMP input lacks member 'execute'");
	return json_string_value(name);
}

/* The command that may be executed now, or NULL after qmp_fail. */
static const struct qmp_command *check_command(struct qmp_call *call,
					       const char *name)
{
	const struct qmp_session *session = call->session;
	const struct qmp_command *c = find(session->commands, name);
	bool negotiation = c && c->run == qmp_capabilities;

	if (!session->negotiated && !negotiation) {
		qmp_fail(call, "CommandNotFound",
			 "Expecting capabilities negotiation with 'qmp_capabilities'");
		return NULL;
	}
	if (!c) {
		qmp_fail(call, "CommandNotFound",
			 "The command %.128s has not been found", name);
		return NULL;
	}
	if (session->negotiated && negotiation) {
		qmp_fail(call, "CommandNotFound",
			 "Capabilities negotiation is already complete, command ignored");
		return NULL;
	}
	if (call->oob && !c->oob) {
		qmp_fail(call, "GenericError",
			 "The command %s does not support OOB", name);
		return NULL;
	}
	return c;
}

static json_t *execute(struct qmp_call *call, const struct qmp_request *req)
{
	const struct qmp_command *c;
	const char *name;
	struct error err;
	json_t *args, *result = NULL;

	if (!req->value)
		return qmp_fail(call, "GenericError", "%s", req->fault.text);
	name = check_members(call, req->value);
	c = name ? check_command(call, name) : NULL;
	if (!c)
		return NULL;
	args = json_incref(json_object_get(req->value, "arguments"));
	if (!args)
		args = json_object();
	if (schema_check(c->args, args, &err))
		qmp_fail(call, "GenericError", "%s", err.text);
	else
		result = c->run(call, args);
	json_decref(args);
	return result;
}

void qmp_execute(struct qmp_session *session, const struct qmp_request *req)
{
	struct qmp_call *call = calloc(1, sizeof(*call));
	json_t *result;

	if (!call) {
		session->send(session, NULL);
		return;
	}
	call->control = session->control;
	call->session = session;
	call->id = json_incref(json_object_get(req->value, "id"));
	call->oob = qmp_is_urgent(session, req);
	call->next = session->calls;
	session->calls = call;
	if (!call->oob)
		session->busy = true;
	result = execute(call, req);
	if (result != QMP_LATER)
		qmp_finish(call, result);
}

/* ---- commands about the protocol itself ------------------------------------ */

json_t *qmp_capabilities(struct qmp_call *call, json_t *args)
{
	/* What can be enabled is an enum of one value. */
	call->session->oob = json_array_size(json_object_get(args, "enable")) >
			     0;
	call->session->negotiated = true;
	return json_object();
}

json_t *qmp_query_commands(struct qmp_call *call, json_t *args)
{
	const struct qmp_command *c = call->session->commands;
	json_t *list = json_array();

	(void)args;
	for (; c->name; c++)
		json_array_append_new(list,
				      json_pack("{s:s}", "name", c->name));
	return list;
}

json_t *qmp_query_schema(struct qmp_call *call, json_t *args)
{
	(void)args;
	return schema_introspect(call->session->commands);
}

json_t *qmp_query_version(struct qmp_call *call, json_t *args)
{
	(void)call;
	(void)args;
	return qmp_version();
}
