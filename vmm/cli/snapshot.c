// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo snapshot: a machine that runs, into a directory. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "../options_table.h"
#include "commands.h"
#include "remote.h"

struct snapshot_args {
	bool live;
	bool json;
};

static const struct opt snapshot_options[] = {
	{ .name = "live",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct snapshot_args, live) },
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct snapshot_args, json) },
	{ 0 }
};

static const char *const files[] = { "state", "memory", "config.json" };

static void remove_all(int dir, const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir, files[i], 0);
	rmdir(path);
}

/* A new file of the snapshot, which machine @c is to write. */
static int pass_file(struct remote *c, int dir, const char *file, json_t *args,
		     struct error *err)
{
	char name[REMOTE_FD_NAME];
	int fd, rc;

	fd = openat(dir, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_sys(err, errno, "cannot make the file %s", file);
	rc = remote_pass_fd(c, fd, NULL, name, err);
	close(fd);
	if (!rc)
		json_object_set_new(args, file, json_string(name));
	return rc;
}

/* What `vireo restore` gives to `vireo run --config`. */
static int write_config(struct remote *c, int dir, struct error *err)
{
	json_t *config;
	FILE *f;
	int fd, rc;

	rc = remote_execute(c, "x-vireo-query-config", NULL, &config, err);
	if (rc)
		return rc;
	json_object_del(config, "restore");
	json_object_del(config, "paused");
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		rc = error_sys(err, errno, "cannot make the file config.json");
	} else {
		rc = json_dumpf(config, f, JSON_INDENT(2));
		putc('\n', f);
		rc |= ferror(f);
		if (fclose(f) || rc)
			rc = error_set(err, EIO,
				       "cannot write the file config.json");
	}
	json_decref(config);
	return rc;
}

static void forget_file(struct remote *c, json_t *args, const char *file)
{
	const char *name = json_string_value(json_object_get(args, file));

	if (name)
		remote_forget_fd(c, name, NULL);
}

static int take(struct remote *c, int dir, bool live, json_t **ret,
		struct error *err)
{
	json_t *args = json_pack("{s:b}", "live", live);
	int rc = args ? 0 : error_sys(err, ENOMEM, "cannot make a message");

	if (!rc)
		rc = write_config(c, dir, err);
	if (!rc)
		rc = pass_file(c, dir, "state", args, err);
	if (!rc)
		rc = pass_file(c, dir, "memory", args, err);
	if (!rc)
		rc = remote_execute(c, "x-vireo-snapshot", json_incref(args),
				    ret, err);
	forget_file(c, args, "state");
	forget_file(c, args, "memory");
	json_decref(args);
	return rc;
}

static void tell(const json_t *ret, const char *dir, bool json)
{
	long long ns = json_integer_value(json_object_get(ret, "paused-ns"));
	long long bytes = json_integer_value(json_object_get(ret, "written"));

	if (json) {
		json_dumpf(ret, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	printf("%s: %lld.%lld MiB of memory; the guest stood still for %lld.%03lld ms\n",
	       dir, bytes >> 20, (bytes & 0xfffff) * 10 >> 20, ns / 1000000,
	       ns / 1000 % 1000);
}

static int into(const char *machine, const char *path, int dir,
		const struct snapshot_args *args, struct error *err)
{
	struct remote *c;
	json_t *ret;
	int rc = remote_open(&c, machine, -1, err);

	if (rc)
		return rc;
	rc = take(c, dir, args->live, &ret, err);
	remote_close(c);
	if (rc)
		return rc;
	tell(ret, path, args->json);
	json_decref(ret);
	return 0;
}

int cli_snapshot(int argc, char **argv, struct error *err)
{
	struct snapshot_args args = { 0 };
	const char *words[2];
	int n, dir, rc;

	n = cli_parse(argc, argv, snapshot_options, &args, words, 1, 2, err);
	if (n < 0)
		return STATUS_USAGE;
	if (n == 1) {
		error_set(err, EINVAL, "into which directory?");
		return STATUS_USAGE;
	}
	if (mkdir(words[1], 0700)) {
		error_sys(err, errno, "cannot make the directory %s", words[1]);
		return STATUS_ERROR;
	}
	dir = open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = dir < 0 ? error_sys(err, errno, "cannot open %s", words[1]) :
		       into(words[0], words[1], dir, &args, err);
	if (rc && dir >= 0)
		remove_all(dir, words[1]);
	if (dir >= 0)
		close(dir);
	return cli_status(rc);
}
