// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo inspect FILE: the state of a machine, without any table but its own names. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "../state_file.h"
#include "inspect_state.h"

/* Of an object in an object; state.c has fewer. */
#define MAX_DEPTH 8
#define BYTES_IN_A_LINE 16
/* Longer ones are cut, as registers of KVM's are. */
#define MAX_LINES 4

static uint64_t value(const struct state_item *it, uint32_t i)
{
	uint64_t val = 0;

	memcpy(&val, it->body.data + (size_t)i * it->size, it->size);
	return val;
}

/* ---- as text ---------------------------------------------------------------- */

static void indent(unsigned int depth)
{
	printf("%*s", (int)(2 * depth + 2), "");
}

static void print_uints(const struct state_item *it, unsigned int depth)
{
	const uint32_t in_line = BYTES_IN_A_LINE / it->size;
	uint32_t i;

	printf("%-20s", it->name);
	for (i = 0; i < it->count; i++) {
		if (i == in_line * MAX_LINES) {
			printf(" ... (%u in all)", it->count);
			break;
		}
		if (i && !(i % in_line)) {
			putchar('\n');
			indent(depth);
			printf("%-20s", "");
		}
		printf(it->count > 1 ? " %0*" PRIx64 : " 0x%0*" PRIx64,
		       2 * it->size, value(it, i));
	}
	putchar('\n');
}

static int print_fields(struct state_in in, unsigned int depth,
			struct error *err);

static int print_group(const struct state_item *it, unsigned int depth,
		       struct error *err)
{
	struct state_in body = it->body, object;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < it->count && !rc; i++) {
		if (i)
			indent(depth);
		if (it->count > 1)
			printf("%s[%u]\n", it->name, i);
		else
			printf("%s\n", it->name);
		rc = state_next_object(&body, &object, err);
		if (!rc)
			rc = print_fields(object, depth + 1, err);
	}
	if (!it->count)
		printf("%-20s none\n", it->name);
	return rc;
}

static int print_fields(struct state_in in, unsigned int depth,
			struct error *err)
{
	struct state_item it;
	int rc;

	if (depth == MAX_DEPTH)
		return error_set(err, EINVAL, "objects in objects in objects");
	while ((rc = state_next(&in, &it, err)) > 0) {
		indent(depth);
		if (it.kind == STATE_UINT)
			print_uints(&it, depth);
		else
			rc = print_group(&it, depth, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int print_section(const struct state_section *s, void *opaque,
			 struct error *err)
{
	(void)opaque;
	printf("%s (version %u)\n", s->name, s->version);
	return print_fields(s->body, 0, err);
}

/* ---- as JSON ---------------------------------------------------------------- */

static int fields_to_json(struct state_in in, unsigned int depth, json_t *to,
			  struct error *err);

static json_t *uints_to_json(const struct state_item *it)
{
	json_t *list;
	uint32_t i;

	if (it->count == 1)
		return json_integer((json_int_t)value(it, 0));
	list = json_array();
	for (i = 0; i < it->count; i++)
		json_array_append_new(list,
				      json_integer((json_int_t)value(it, i)));
	return list;
}

static int group_to_json(const struct state_item *it, unsigned int depth,
			 json_t *to, struct error *err)
{
	struct state_in body = it->body, object;
	json_t *list = json_array(), *o;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < it->count && !rc; i++) {
		o = json_object();
		rc = state_next_object(&body, &object, err);
		if (!rc)
			rc = fields_to_json(object, depth + 1, o, err);
		json_array_append_new(list, o);
	}
	json_object_set_new(to, it->name, list);
	return rc;
}

static int fields_to_json(struct state_in in, unsigned int depth, json_t *to,
			  struct error *err)
{
	struct state_item it;
	int rc;

	if (depth == MAX_DEPTH)
		return error_set(err, EINVAL, "objects in objects in objects");
	while ((rc = state_next(&in, &it, err)) > 0) {
		if (it.kind == STATE_UINT)
			json_object_set_new(to, it.name, uints_to_json(&it));
		else
			rc = group_to_json(&it, depth, to, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int section_to_json(const struct state_section *s, void *opaque,
			   struct error *err)
{
	json_t *o = json_object(), *fields = json_object();

	json_object_set_new(o, "version", json_integer(s->version));
	json_object_set_new(o, "fields", fields);
	json_object_set_new(opaque, s->name, o);
	return fields_to_json(s->body, 0, fields, err);
}

/* ---- the file ------------------------------------------------------------------ */

typedef int (*section_fn)(const struct state_section *s, void *opaque,
			  struct error *err);

static int each_section(int fd, section_fn fn, void *opaque, struct error *err)
{
	struct state_section s;
	int rc = state_file_open(fd, err);

	while (!rc && (rc = state_file_next(fd, &s, err)) > 0) {
		rc = fn(&s, opaque, err);
		if (rc)
			error_prefix(err, "%s", s.name);
		state_section_free(&s);
	}
	return rc;
}

/* A file, or the one of a directory that vireo snapshot has made; -errno. */
static int open_state(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), dir;

	if (fd < 0 || fstat(fd, &st) || !S_ISDIR(st.st_mode))
		return fd < 0 ? -errno : fd;
	dir = fd;
	fd = openat(dir, "state", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(dir);
	return fd;
}

bool inspect_is_state(const char *name)
{
	return strchr(name, '/') || !access(name, F_OK);
}

int inspect_state(const char *path, bool json, struct error *err)
{
	json_t *all = json ? json_object() : NULL;
	int fd = open_state(path), rc;

	if (fd < 0)
		return error_sys(err, -fd, "cannot open %s", path);
	rc = json ? each_section(fd, section_to_json, all, err) :
		    each_section(fd, print_section, NULL, err);
	close(fd);
	if (rc) {
		error_prefix(err, "%s", path);
	} else if (json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(all);
	return rc;
}
