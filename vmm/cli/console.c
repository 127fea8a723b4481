// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo console: this terminal becomes the terminal of a machine's console, a
 * socket NAME.console in the runtime directory (chardev_socket.h).
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../control/socket.h"
#include "../error.h"
#include "../terminal.h"
#include "remote.h"
#include "commands.h"

#define ESCAPE_KEY 0x01 /* Ctrl-A */

struct console {
	const char *name;
	int fd;
	bool terminal; /* standard input is one, and has the escape key */
	bool escaped;  /* the escape key was the last key */
	bool detached; /* by Ctrl-A d */
};

static const char help[] = "\r\n"
			   "Ctrl-A h       this help\r\n"
			   "Ctrl-A d       detach from the machine\r\n"
			   "Ctrl-A p       press the power button\r\n"
			   "Ctrl-A r       reset the machine\r\n"
			   "Ctrl-A x       stop the machine now\r\n"
			   "Ctrl-A Ctrl-A  send Ctrl-A\r\n";

/* What is told here is not the machine's output. */
static void tell(const struct console *con, const char *what)
{
	if (con->terminal)
		fprintf(stderr, "\r\n[%s: %s]\r\n", con->name, what);
}

static int write_all(int fd, const char *buf, size_t len, struct error *err)
{
	ssize_t n;

	for (; len; buf += n, len -= (size_t)n) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return error_sys(err, errno, "cannot write");
	}
	return 0;
}

/* Keys that are for the machine itself go over its control socket. */
static void control(const struct console *con, const char *command)
{
	struct error why = { "" };
	struct remote *c;

	if (!remote_open(&c, con->name, REMOTE_LIMIT_MS, &why)) {
		remote_execute(c, command, NULL, NULL, &why);
		remote_close(c);
	}
	if (*why.text)
		tell(con, why.text);
}

/* The key after the escape key; true if it is to be sent. */
static bool escape_key(struct console *con, char key)
{
	switch (key) {
	case ESCAPE_KEY:
		return true;
	case 'd':
		con->detached = true;
		break;
	case 'h':
	case '?':
		fputs(help, stderr);
		break;
	case 'p':
		control(con, "system_powerdown");
		break;
	case 'r':
		control(con, "system_reset");
		break;
	case 'x':
		control(con, "quit");
		break;
	}
	return false;
}

/* Takes the escape sequences out of @buf; returns what is left of it. */
static size_t filter(struct console *con, char *buf, size_t len)
{
	size_t i, kept = 0;

	for (i = 0; i < len && !con->detached; i++) {
		if (con->escaped) {
			con->escaped = false;
			if (escape_key(con, buf[i]))
				buf[kept++] = buf[i];
		} else if (buf[i] == ESCAPE_KEY) {
			con->escaped = true;
		} else {
			buf[kept++] = buf[i];
		}
	}
	return kept;
}

/* 1: there is no more. */
static int take_keys(struct console *con, struct error *err)
{
	char buf[512];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
	size_t len;

	if (n < 0)
		return errno == EINTR ?
			       0 :
			       error_sys(err, errno, "cannot read the input");
	len = (size_t)n;
	if (con->terminal)
		len = filter(con, buf, len);
	while (len) {
		/* A machine that is gone is seen where its output is read. */
		n = send(con->fd, buf, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return 1;
		if (n > 0) {
			len -= (size_t)n;
			memmove(buf, buf + n, len);
		}
		n = 1;
	}
	return !n;
}

/* 1: the machine has closed the console. */
static int show_output(struct console *con, struct error *err)
{
	char buf[4096];
	ssize_t n = recv(con->fd, buf, sizeof(buf), 0);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return 1;
	return write_all(STDOUT_FILENO, buf, (size_t)n, err);
}

static int talk(struct console *con, struct error *err)
{
	struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			      { .fd = con->fd, .events = POLLIN } };
	int rc;

	while (!con->detached) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return error_sys(err, errno, "cannot wait");
		}
		if (p[1].revents) {
			rc = show_output(con, err);
			if (rc)
				return rc < 0 ? rc : 0;
		}
		if (p[0].revents) {
			rc = take_keys(con, err);
			if (rc < 0)
				return rc;
			if (rc)
				p[0].fd = -1; /* output may still come */
		}
	}
	return 0;
}

/* ---- the terminal ---------------------------------------------------------- */

static void on_end(int sig)
{
	terminal_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void on_continue(int sig)
{
	(void)sig;
	terminal_resume();
}

/* Raw, and itself again on every way out. */
static int take_terminal(struct error *err)
{
	static const int ends[] = { SIGHUP,  SIGINT, SIGQUIT, SIGTERM, SIGPIPE,
				    SIGSEGV, SIGBUS, SIGFPE,  SIGILL,  SIGABRT };
	struct sigaction sa = { .sa_handler = on_end,
				.sa_flags = (int)SA_RESETHAND };
	size_t i;
	int rc;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
	sa = (struct sigaction){ .sa_handler = on_continue };
	sigaction(SIGCONT, &sa, NULL);
	rc = terminal_raw(STDIN_FILENO);
	return rc ? error_sys(err, -rc, "cannot set the terminal's mode") : 0;
}

/* ---- connecting ------------------------------------------------------------ */

/* There is no console socket: is there a machine, and what is it on? */
static int no_socket(const char *name, struct error *err)
{
	const char *file, *where = "no socket";
	json_t *list, *item;
	struct remote *c;
	size_t i;
	int rc;

	rc = remote_open(&c, name, REMOTE_LIMIT_MS, err);
	if (rc)
		return rc;
	rc = remote_try(c, "query-chardev", NULL, &list, err);
	remote_close(c);
	if (rc)
		return rc;
	json_array_foreach(list, i, item) {
		file = json_string_value(json_object_get(item, "filename"));
		if (file && !strncmp(file, "pty:", 4))
			where = file;
	}
	rc = error_set(err, ENOENT,
		       "%s has its console on %s (run it with --console socket)",
		       name, where);
	json_decref(list);
	return rc;
}

static int connect_console(const char *name, struct error *err)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];
	int rc;

	rc = strlen(name) < RUNDIR_NAME_MAX ? rundir_open(dir, false, err) :
					      -ENOENT;
	if (!rc)
		rc = rundir_file(path, dir, name, "console", err);
	if (!rc)
		rc = socket_connect(path, err);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return no_socket(name, err);
	return rc;
}

int cli_console(int argc, char **argv, struct error *err)
{
	struct console con = { .terminal = isatty(STDIN_FILENO) };
	int rc;

	if (cli_parse(argc, argv, NULL, NULL, &con.name, 1, 1, err) < 0)
		return STATUS_USAGE;
	con.fd = connect_console(con.name, err);
	if (con.fd < 0)
		return cli_status(con.fd);
	rc = con.terminal ? take_terminal(err) : 0;
	if (!rc) {
		tell(&con, "attached; Ctrl-A d detaches, Ctrl-A h helps");
		rc = talk(&con, err);
		tell(&con, con.detached ? "detached" : "has ended");
	}
	terminal_restore();
	close(con.fd);
	return cli_status(rc);
}
