// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Descriptors that clients pass over their socket (SCM_RIGHTS): with a name,
 * getfd's, they live as long as the client; in a set, add-fd's, until removed.
 * A client's are taken in the order in which they came.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../config.h"
#include "commands.h"
#include "server.h"

static int take_fd(struct qmp_call *call)
{
	struct client *c = to_client(call->session);
	int fd;

	if (!c->nr_fds) {
		qmp_fail(call, "GenericError",
			 "No file descriptor supplied via SCM_RIGHTS");
		return -1;
	}
	fd = c->fds[0];
	memmove(c->fds, c->fds + 1, --c->nr_fds * sizeof(c->fds[0]));
	return fd;
}

static struct named_fd **find_name(struct client *c, const char *name)
{
	struct named_fd **n;

	for (n = &c->named; *n; n = &(*n)->next)
		if (!strcmp((*n)->name, name))
			break;
	return n;
}

int qmp_take_fd(struct qmp_call *call, const char *name)
{
	struct named_fd **n = find_name(to_client(call->session), name);
	int fd;

	if (!*n) {
		qmp_fail(call, "GenericError",
			 "File descriptor named '%.64s' has not been found",
			 name);
		return -1;
	}
	fd = fcntl((*n)->fd, F_DUPFD_CLOEXEC, 3);
	named_fd_del(n);
	if (fd < 0)
		qmp_fail(call, "GenericError", "too many file descriptors");
	return fd;
}

json_t *cmd_getfd(struct qmp_call *call, json_t *args)
{
	struct client *c = to_client(call->session);
	const char *name = json_string_value(json_object_get(args, "fdname"));
	struct named_fd **old;
	int fd = take_fd(call);

	if (fd < 0)
		return NULL;
	if (isdigit((unsigned char)*name)) {
		close(fd);
		return qmp_fail(
			call, "GenericError",
			"Parameter 'fdname' expects a name not starting with a digit");
	}
	old = find_name(c, name);
	if (*old)
		named_fd_del(old);
	if (named_fd_add(&c->named, fd, name, 0))
		return qmp_fail(call, "GenericError",
				"too many file descriptors");
	return json_object();
}

json_t *cmd_closefd(struct qmp_call *call, json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "fdname"));
	struct named_fd **n = find_name(to_client(call->session), name);

	if (!*n)
		return qmp_fail(call, "GenericError",
				"File descriptor named '%.64s' not found",
				name);
	named_fd_del(n);
	return json_object();
}

/* The lowest id that no set has. */
static json_int_t free_set(const struct control *control)
{
	const struct named_fd *n;
	json_int_t set = 0;

	do {
		for (n = control->fdsets; n; n = n->next)
			if (n->set == set)
				break;
	} while (n && ++set);
	return set;
}

int qmp_file(struct qmp_call *call, const char *name)
{
	static const char prefix[] = "/dev/fdset/";
	struct control *control = call->control;
	const struct named_fd *n;
	json_int_t set;
	char *end;

	if (!strncmp(name, prefix, strlen(prefix))) {
		set = strtoll(name + strlen(prefix), &end, 10);
		for (n = control->fdsets; n && !*end; n = n->next)
			if (n->set == set)
				return n->fd;
		qmp_fail(call, "GenericError", "%s: no such set of descriptors",
			 name);
		return -1;
	}
	if (control->vm->cfg->sandbox == SANDBOX_OFF)
		return 0;
	qmp_fail(call, "GenericError",
		 "%s cannot be opened: the machine is locked in (pass the file "
		 "by add-fd and name it /dev/fdset/N)",
		 name);
	return -1;
}

json_t *cmd_add_fd(struct qmp_call *call, json_t *args)
{
	struct control *control = call->control;
	json_t *id = json_object_get(args, "fdset-id");
	json_int_t set = id ? json_integer_value(id) : free_set(control);
	int fd = take_fd(call);

	if (fd < 0)
		return NULL;
	if (set < 0) {
		close(fd);
		return qmp_fail(
			call, "GenericError",
			"Parameter 'fdset-id' expects a non-negative value");
	}
	if (named_fd_add(&control->fdsets, fd,
			 json_string_value(json_object_get(args, "opaque")),
			 set))
		return qmp_fail(call, "GenericError",
				"too many file descriptors");
	return json_pack("{s:I,s:i}", "fdset-id", set, "fd", fd);
}

json_t *cmd_remove_fd(struct qmp_call *call, json_t *args)
{
	json_int_t set = json_integer_value(json_object_get(args, "fdset-id"));
	json_t *fd = json_object_get(args, "fd");
	struct named_fd **n = &call->control->fdsets;
	bool found = false;

	while (*n) {
		if ((*n)->set == set &&
		    (!fd || (*n)->fd == json_integer_value(fd))) {
			named_fd_del(n);
			found = true;
		} else {
			n = &(*n)->next;
		}
	}
	if (found)
		return json_object();
	if (fd)
		return qmp_fail(
			call, "GenericError",
			"File descriptor named 'fdset-id:%lld, fd:%lld' not found",
			(long long)set, (long long)json_integer_value(fd));
	return qmp_fail(call, "GenericError",
			"File descriptor named 'fdset-id:%lld' not found",
			(long long)set);
}

/* The list of those of a set; an empty one if it is not in @sets yet. */
static json_t *fds_of(json_t *sets, json_int_t id)
{
	json_t *set;
	size_t i;

	json_array_foreach(sets, i, set) {
		if (json_integer_value(json_object_get(set, "fdset-id")) == id)
			return json_object_get(set, "fds");
	}
	set = json_pack("{s:I,s:[]}", "fdset-id", id, "fds");
	json_array_append_new(sets, set);
	return json_object_get(set, "fds");
}

json_t *cmd_query_fdsets(struct qmp_call *call, json_t *args)
{
	json_t *sets = json_array();
	const struct named_fd *n;

	(void)args;
	for (n = call->control->fdsets; n; n = n->next)
		json_array_append_new(fds_of(sets, n->set),
				      json_pack("{s:i,s:s*}", "fd", n->fd,
						"opaque", n->name));
	return sets;
}
