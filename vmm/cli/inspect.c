// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo inspect: everything about one machine that runs, or was kept in a file. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "../options_table.h"
#include "remote.h"
#include "commands.h"
#include "inspect_state.h"
#include "summary.h"
#include "table.h"

struct inspect_args {
	bool json;
};

static const struct opt inspect_options[] = {
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct inspect_args, json) },
	{ 0 }
};

/* ---- asking ---------------------------------------------------------------- */

/* What is asked beside what `vireo ps` shows, and its key here. */
static const struct {
	const char *key;
	const char *command;
} queries[] = {
	{ "version", "query-version" },
	{ "uuid", "query-uuid" },
	{ "kvm", "query-kvm" },
	{ "config", "x-vireo-query-config" },
	{ "processors", "query-cpus-fast" },
	{ "consoles", "query-chardev" },
	{ "block", "query-block" },
	{ "network", "x-vireo-query-net" },
	{ "pci", "query-pci" },
	{ "iothreads", "query-iothreads" },
};

/* The files that it has in the runtime directory, by kind. */
static json_t *files_of(const char *name)
{
	static const char *const kinds[] = { "qmp", "console", "log" };
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];
	json_t *files = json_object();
	size_t i;

	if (rundir_open(dir, false, NULL))
		return files;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!rundir_file(path, dir, name, kinds[i], NULL) &&
		    !access(path, F_OK))
			json_object_set_new(files, kinds[i], json_string(path));
	return files;
}

static int gather(json_t **out, struct summary *s, struct remote *c,
		  struct error *err)
{
	json_t *all, *ret;
	size_t i;
	int rc;

	rc = summary_read(s, c, err);
	if (rc)
		return rc;
	all = summary_json(s);
	json_object_set_new(all, "files", files_of(s->name));
	for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		rc = remote_try(c, queries[i].command, NULL, &ret, err);
		if (rc) {
			json_decref(all);
			return rc;
		}
		if (ret)
			json_object_set_new(all, queries[i].key, ret);
	}
	*out = all;
	return 0;
}

/* ---- telling people -------------------------------------------------------- */

static const char *text_of(json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text ? text : "";
}

static int int_of(json_t *obj, const char *key)
{
	return (int)json_integer_value(json_object_get(obj, key));
}

static void show_head(const struct summary *s, json_t *all)
{
	json_t *version = json_object_get(all, "version");
	json_t *kvm = json_object_get(json_object_get(all, "kvm"), "enabled");
	struct table t = { .titles = { "", "" } };
	const char *package = text_of(version, "package");
	const char *sandbox =
		text_of(json_object_get(all, "config"), "sandbox");
	char text[24];

	printf("%s\n", s->name);
	t.indent = "  ";
	table_add(&t, "status");
	table_add(&t, "%s", s->status);
	if (s->pid) {
		table_add(&t, "process");
		table_add(&t, "%d", (int)s->pid);
	}
	text_seconds(text, s->uptime);
	table_add(&t, "uptime");
	table_add(&t, "%s", text);
	text_bytes(text, s->memory);
	table_add(&t, "memory");
	table_add(&t, "%s", text);
	table_add(&t, "program");
	table_add(&t, "%s", *package ? package : "QEMU");
	table_add(&t, "kvm");
	table_add(&t, "%s", json_is_true(kvm) ? "yes" : "no");
	table_add(&t, "uuid");
	table_add(&t, "%s", text_of(json_object_get(all, "uuid"), "UUID"));
	if (*sandbox) {
		table_add(&t, "sandbox");
		table_add(&t, "%s", sandbox);
	}
	table_print(&t);
}

static void show_files(json_t *all)
{
	struct table t = { .titles = { "", "" }, .indent = "  " };
	const char *kind;
	json_t *path;

	json_object_foreach(json_object_get(all, "files"), kind, path) {
		table_add(&t, "%s", kind);
		table_add(&t, "%s", json_string_value(path));
	}
	if (t.count)
		puts("\nFiles");
	table_print(&t);
}

static void show_processors(json_t *all)
{
	struct table t = { .titles = { "CPU", "THREAD" },
			   .right = { true, true },
			   .indent = "  " };
	json_t *cpu;
	size_t i;

	json_array_foreach(json_object_get(all, "processors"), i, cpu) {
		table_add(&t, "%d", int_of(cpu, "cpu-index"));
		table_add(&t, "%d", int_of(cpu, "thread-id"));
	}
	puts("\nProcessors");
	table_print(&t);
}

static void show_consoles(json_t *all)
{
	struct table t = { .titles = { "NAME", "CONNECTED TO" },
			   .indent = "  " };
	json_t *chr;
	size_t i;

	json_array_foreach(json_object_get(all, "consoles"), i, chr) {
		table_add(&t, "%s", text_of(chr, "label"));
		table_add(&t, "%s", text_of(chr, "filename"));
	}
	if (t.count)
		puts("\nCharacter devices");
	table_print(&t);
}

static void show_disks(json_t *all)
{
	struct table t = { .titles = { "NAME", "ACCESS", "SIZE", "FILE" },
			   .right = { [2] = true },
			   .indent = "  " };
	json_t *disk, *in, *image;
	const char *name;
	char size[24];
	size_t i;

	json_array_foreach(json_object_get(all, "block"), i, disk) {
		in = json_object_get(disk, "inserted");
		image = json_object_get(in, "image");
		name = text_of(disk, "device");
		text_bytes(size,
			   (uint64_t)json_integer_value(
				   json_object_get(image, "virtual-size")));
		table_add(&t, "%s", *name ? name : text_of(disk, "qdev"));
		table_add(&t, "%s",
			  !in					  ? "empty" :
			  json_is_true(json_object_get(in, "ro")) ? "read" :
								    "write");
		table_add(&t, "%s", image ? size : "-");
		table_add(&t, "%s", text_of(in, "file"));
	}
	if (t.count)
		puts("\nDisks");
	table_print(&t);
}

/* Of all queues together. */
static long long frames_of(json_t *card, const char *direction)
{
	json_t *queue;
	long long sum = 0;
	size_t i;

	json_array_foreach(json_object_get(card, "queues"), i, queue) {
		sum += json_integer_value(
			json_object_get(json_object_get(queue, direction),
					"frames"));
	}
	return sum;
}

static void show_cards(json_t *all)
{
	struct table t = { .titles = { "CARD", "ADDRESS", "AT", "LINK",
				       "RECEIVED", "SENT" },
			   .right = { [4] = true, [5] = true },
			   .indent = "  " };
	json_t *card;
	size_t i;

	json_array_foreach(json_object_get(all, "network"), i, card) {
		table_add(&t, "%s", text_of(card, "name"));
		table_add(&t, "%s", text_of(card, "mac"));
		table_add(&t, "%s", text_of(card, "backend"));
		table_add(&t, "%s",
			  json_is_true(json_object_get(card, "link-up")) ?
				  "up" :
				  "down");
		table_add(&t, "%lld", frames_of(card, "received"));
		table_add(&t, "%lld", frames_of(card, "sent"));
	}
	if (t.count)
		puts("\nNetwork");
	table_print(&t);
}

static void show_pci(json_t *all)
{
	struct table t = { .titles = { "PCI", "ID", "NAME", "WHAT" },
			   .indent = "  " };
	json_t *bus, *dev, *id, *info;
	size_t i, j;

	json_array_foreach(json_object_get(all, "pci"), i, bus) {
		json_array_foreach(json_object_get(bus, "devices"), j, dev) {
			id = json_object_get(dev, "id");
			info = json_object_get(dev, "class_info");
			table_add(&t, "%02x:%02x.%x",
				  (unsigned int)int_of(dev, "bus"),
				  (unsigned int)int_of(dev, "slot"),
				  (unsigned int)int_of(dev, "function"));
			table_add(&t, "%04x:%04x",
				  (unsigned int)int_of(id, "vendor"),
				  (unsigned int)int_of(id, "device"));
			table_add(&t, "%s", text_of(dev, "qdev_id"));
			table_add(&t, "%s", text_of(info, "desc"));
		}
	}
	if (t.count)
		puts("\nDevices");
	table_print(&t);
}

/* A line for each value: "memory.size  512M". */
static void add_values(struct table *t, const char *path, json_t *value)
{
	char name[128], *text;
	const char *key, *dot = *path ? "." : "";
	json_t *member;
	size_t i;

	if (json_is_object(value)) {
		json_object_foreach(value, key, member) {
			snprintf(name, sizeof(name), "%s%s%s", path, dot, key);
			add_values(t, name, member);
		}
		return;
	}
	if (json_is_array(value)) {
		json_array_foreach(value, i, member) {
			snprintf(name, sizeof(name), "%s%s%zu", path, dot, i);
			add_values(t, name, member);
		}
		return;
	}
	table_add(t, "%s", path);
	text = json_is_string(value) ? NULL :
				       json_dumps(value, JSON_ENCODE_ANY);
	table_add(t, "%s", text ? text : json_string_value(value));
	free(text);
}

static void show_config(json_t *all)
{
	struct table t = { .titles = { "", "" }, .indent = "  " };
	json_t *config = json_object_get(all, "config");

	if (!config)
		return;
	puts("\nConfiguration");
	add_values(&t, "", config);
	table_print(&t);
}

static int print_json(json_t *all, struct error *err)
{
	if (json_dumpf(all, stdout, JSON_INDENT(2)))
		return error_set(err, EIO, "cannot print it");
	putchar('\n');
	return 0;
}

int cli_inspect(int argc, char **argv, struct error *err)
{
	struct inspect_args args = { 0 };
	const char *name;
	struct summary s;
	struct remote *c;
	json_t *all;
	int rc;

	if (cli_parse(argc, argv, inspect_options, &args, &name, 1, 1, err) < 0)
		return STATUS_USAGE;
	if (inspect_is_state(name))
		return cli_status(inspect_state(name, args.json, err));
	rc = remote_open(&c, name, REMOTE_LIMIT_MS, err);
	if (rc)
		return cli_status(rc);
	rc = gather(&all, &s, c, err);
	remote_close(c);
	if (rc)
		return cli_status(rc);
	if (args.json) {
		rc = print_json(all, err);
	} else {
		show_head(&s, all);
		show_files(all);
		show_processors(all);
		show_consoles(all);
		show_disks(all);
		show_cards(all);
		show_pci(all);
		show_config(all);
	}
	json_decref(all);
	return cli_status(rc);
}
