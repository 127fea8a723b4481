// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo qmp: one command and its result, or a session in which each line of
 * input is a command: "query-status", "device_list-properties {...}", or a
 * whole message in braces.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "remote.h"
#include "commands.h"

#define LINE_STEP 4096
#define LINE_MAX_BYTES (1 << 20)

/* The arguments of a command: nothing, or an object. */
static int parse_arguments(const char *text, json_t **args, struct error *err)
{
	json_error_t why;

	*args = NULL;
	if (!text || !*text)
		return 0;
	*args = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!*args)
		return error_set(err, EINVAL, "arguments: %s", why.text);
	if (!json_is_object(*args)) {
		json_decref(*args);
		return error_set(err, EINVAL,
				 "arguments: must be one JSON object");
	}
	return 0;
}

static int print_value(const json_t *value, size_t flags, struct error *err)
{
	if (json_dumpf(value, stdout, flags | JSON_ENCODE_ANY))
		return error_set(err, EIO, "cannot print an answer");
	putchar('\n');
	fflush(stdout);
	return 0;
}

static int one_command(struct remote *c, const char *command, json_t *args,
		       struct error *err)
{
	json_t *ret;
	int rc;

	rc = remote_execute(c, command, args, &ret, err);
	if (rc)
		return rc;
	rc = print_value(ret, JSON_INDENT(2), err);
	json_decref(ret);
	return rc;
}

/* ---- a session ------------------------------------------------------------- */

struct session {
	struct remote *c;
	bool terminal;
	bool ended;	      /* no more input */
	unsigned int waiting; /* commands without their answer */

	char *line; /* what has come of the next lines */
	size_t len;
	size_t size;
};

/* The message that a line stands for. */
static json_t *message_of(char *line, struct error *err)
{
	json_error_t why;
	json_t *msg, *args;
	char *rest = line;

	if (*line == '{') {
		msg = json_loads(line, JSON_REJECT_DUPLICATES, &why);
		if (!msg)
			error_set(err, EINVAL, "%s", why.text);
		return msg;
	}
	rest += strcspn(line, " \t{");
	if (*rest == '{' ||
	    parse_arguments(rest + strspn(rest, " \t"), &args, err)) {
		if (*rest == '{')
			error_set(err, EINVAL, "a blank must follow '%.*s'",
				  (int)(rest - line), line);
		return NULL;
	}
	*rest = '\0';
	msg = json_pack("{s:s, s:o*}", "execute", line, "arguments", args);
	if (!msg)
		error_set(err, EINVAL, "no name for a command");
	return msg;
}

/* A mistake of the person is told to the person, and no reason to end. */
static int send_line(struct session *s, char *line, struct error *err)
{
	struct error why;
	json_t *msg;
	size_t len;
	int rc;

	while (isspace((unsigned char)*line))
		line++;
	for (len = strlen(line); len && isspace((unsigned char)line[len - 1]);)
		line[--len] = '\0';
	if (!*line)
		return 0;
	msg = message_of(line, &why);
	if (!msg) {
		fprintf(stderr, "vireo: %s\n", why.text);
		return 0;
	}
	rc = remote_send(s->c, msg, err);
	json_decref(msg);
	s->waiting++;
	return rc;
}

static int send_lines(struct session *s, struct error *err)
{
	char *end, *line = s->line;
	int rc = 0;

	while (!rc && (end = memchr(line, '\n', s->len))) {
		*end = '\0';
		rc = send_line(s, line, err);
		s->len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(s->line, line, s->len);
	/* The last line may have no end. */
	if (!rc && s->ended && s->len) {
		s->line[s->len] = '\0';
		s->len = 0;
		rc = send_line(s, s->line, err);
	}
	return rc;
}

static int read_input(struct session *s, struct error *err)
{
	char *more;
	ssize_t n;

	if (s->size - s->len < LINE_STEP) {
		if (s->size >= LINE_MAX_BYTES)
			return error_set(err, E2BIG, "a line is too long");
		more = realloc(s->line, s->size * 2 + LINE_STEP);
		if (!more)
			return error_sys(err, ENOMEM, "cannot take a line");
		s->line = more;
		s->size = s->size * 2 + LINE_STEP;
	}
	n = read(STDIN_FILENO, s->line + s->len, s->size - s->len - 1);
	if (n < 0)
		return errno == EINTR ?
			       0 :
			       error_sys(err, errno, "cannot read the input");
	s->len += (size_t)n;
	s->ended = !n;
	return send_lines(s, err);
}

static int show_message(struct session *s, struct error *err)
{
	json_t *msg;
	int rc = remote_receive(s->c, -1, &msg, err);

	if (rc)
		return rc;
	if (s->waiting && !json_object_get(msg, "event"))
		s->waiting--;
	rc = print_value(msg, s->terminal ? JSON_INDENT(2) : JSON_COMPACT, err);
	json_decref(msg);
	return rc;
}

static int session(struct session *s, struct error *err)
{
	struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			      { .fd = remote_fd(s->c), .events = POLLIN } };
	int rc = 0;

	while (!rc && !(s->ended && !s->waiting)) {
		if (s->ended)
			p[0].fd = -1;
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return error_sys(err, errno, "cannot wait");
		}
		if (p[1].revents)
			do
				rc = show_message(s, err);
			while (!rc && remote_pending(s->c));
		if (!rc && p[0].revents)
			rc = read_input(s, err);
	}
	return rc;
}

static int run_session(struct remote *c, struct error *err)
{
	struct session s = { .c = c, .terminal = isatty(STDOUT_FILENO) };
	int rc;

	if (s.terminal && isatty(STDIN_FILENO))
		fprintf(stderr,
			"Connected to %s: a command per line, as query-status; Ctrl-D ends.\n",
			remote_name(c));
	rc = session(&s, err);
	free(s.line);
	/* The machine's end is that of the session. */
	if (rc == -EPIPE && !s.waiting) {
		*err = (struct error){ "" };
		rc = 0;
	}
	return rc;
}

int cli_qmp(int argc, char **argv, struct error *err)
{
	const char *words[3] = { 0 };
	struct remote *c;
	json_t *args;
	int rc;

	if (cli_parse(argc, argv, NULL, NULL, words, 1, 3, err) < 0 ||
	    parse_arguments(words[2], &args, err))
		return STATUS_USAGE;
	rc = remote_open(&c, words[0], REMOTE_LIMIT_MS, err);
	if (rc) {
		json_decref(args);
		return cli_status(rc);
	}
	if (words[1])
		rc = one_command(c, words[1], args, err);
	else
		rc = run_session(c, err);
	remote_close(c);
	return cli_status(rc);
}
