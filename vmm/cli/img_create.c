// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo img create, resize, snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"
#include "img.h"
#include "img_options.h"
#include "summary.h"
#include "table.h"

/* ---- create ------------------------------------------------------------------ */

static const struct opt create_options[] = { IMG_CREATE_OPTIONS("format", 0),
					     { 0 } };

/* A new file, or with @force an old one that nobody uses, emptied. */
static int open_new(const char *path, bool force, bool *made, struct error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;
	int fd, rc;

	fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0644);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST) {
		if (!force)
			return error_set(err, EEXIST,
					 "%s exists (--force overwrites it)",
					 path);
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	if (fd < 0)
		return error_sys(err, errno, "cannot make %s", path);
	rc = fcntl(fd, F_OFD_SETLK, &lock) ? errno : 0;
	if (rc) {
		error_set(err, rc, "disk image %s is in use by another process",
			  path);
	} else if (fstat(fd, &st)) {
		rc = errno;
		error_sys(err, rc, "cannot look at %s", path);
	} else if (S_ISREG(st.st_mode) ? ftruncate(fd, 0) :
					 !S_ISBLK(st.st_mode)) {
		rc = S_ISREG(st.st_mode) ? errno : EINVAL;
		error_sys(err, rc, "cannot overwrite %s", path);
	}
	if (!rc)
		return fd;
	close(fd);
	return -rc;
}

static int make_raw(int fd, uint64_t size, struct error *err)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISBLK(st.st_mode))
		return 0;
	if (ftruncate(fd, (off_t)size))
		return error_sys(err, errno, "cannot make it that large");
	return 0;
}

static int make_qcow2(int fd, const struct img_create *how, uint64_t size,
		      struct error *err)
{
	struct qcow2_create create = {
		.size = size,
		.version = how->compat && !strcmp(how->compat, "0.10") ? 2 : 3,
		.cluster_size = 65536,
		.refcount_bits = how->refcount_bits ? how->refcount_bits : 16,
		.lazy = how->lazy,
		.zstd = how->compression && !strcmp(how->compression, "zstd"),
		.backing = how->backing,
		.backing_format = how->backing_format,
	};
	uint64_t cluster_size;
	int rc;

	if (how->cluster_size) {
		rc = img_parse_size(how->cluster_size, &cluster_size, err);
		if (rc)
			return rc;
		create.cluster_size =
			cluster_size > UINT32_MAX ? 0 : (uint32_t)cluster_size;
	}
	return qcow2_create(fd, &create, err);
}

static int check_make(const char *path, const struct img_create *how,
		      struct error *err)
{
	if (strcmp(img_format(path, how->format), "raw") ||
	    !(how->backing || how->cluster_size || how->lazy || how->compat ||
	      how->compression || how->refcount_bits))
		return 0;
	return error_set(err, EINVAL,
			 "raw images have no such options (--format qcow2 has)");
}

int img_make(const char *path, const struct img_create *how, uint64_t size,
	     struct error *err)
{
	bool raw = !strcmp(img_format(path, how->format), "raw"), made;
	int fd, rc;

	rc = check_make(path, how, err);
	if (rc)
		return rc;
	fd = open_new(path, how->force, &made, err);
	if (fd < 0)
		return fd;
	rc = raw ? make_raw(fd, size, err) : make_qcow2(fd, how, size, err);
	if (!rc && fsync(fd))
		rc = error_sys(err, errno, "cannot write it");
	if (rc) {
		error_prefix(err, "cannot make %s", path);
		if (made)
			unlink(path);
	}
	close(fd);
	return rc;
}

/* The file is there, and how large its disk is. */
static int backing_size(const char *path, const struct img_create *how,
			uint64_t *size, struct error *err)
{
	const char *slash = strrchr(path, '/');
	struct img_open open = { .format = how->backing_format };
	struct block *block;
	char *full;
	int rc;

	if (*how->backing == '/' || !slash)
		full = strdup(how->backing);
	else if (asprintf(&full, "%.*s/%s", (int)(slash - path), path,
			  how->backing) < 0)
		full = NULL;
	if (!full)
		return error_sys(err, ENOMEM, "cannot find the backing file");
	open.path = full;
	open.no_backing = true;
	rc = img_open(&block, &open, err);
	free(full);
	if (rc)
		return rc;
	*size = block_size(block);
	block_close(block);
	return 0;
}

static int create(const char *const *words, int count,
		  const struct img_create *how, struct error *err)
{
	uint64_t size = 0;
	int rc = check_make(words[0], how, err);

	if (rc)
		return rc;
	if (how->backing && !how->backing_format)
		return error_set(err, EINVAL,
				 "the format of the backing file is missing "
				 "(--backing-format raw or qcow2)");
	if (how->backing)
		rc = backing_size(words[0], how, &size, err);
	else if (count < 2)
		return error_set(err, EINVAL,
				 "the size is missing (10G, for example)");
	if (!rc && count == 2)
		rc = img_parse_size(words[1], &size, err);
	return rc ? rc : img_make(words[0], how, size, err);
}

int img_create(int argc, char **argv, struct error *err)
{
	struct img_create how = { 0 };
	const char *words[2];
	int count, rc, status = STATUS_USAGE;

	count = img_parse(argc, argv, create_options, &how, words, 1, 2, err);
	if (count >= 0) {
		rc = create(words, count, &how, err);
		status = rc ? STATUS_ERROR : STATUS_OFF;
	}
	opt_free_strings(create_options, &how);
	return status;
}

/* ---- resize ------------------------------------------------------------------ */

struct resize_args {
	char *format;
	bool shrink;
};

static const struct opt resize_options[] = {
	{ .name = "format",
	  .kind = OPT_STRING,
	  .words = "raw|qcow2",
	  .offset = offsetof(struct resize_args, format) },
	{ .name = "shrink",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct resize_args, shrink) },
	{ 0 }
};

static int shrink(struct block *block, uint64_t size, struct error *err)
{
	struct qcow2 *q = qcow2_of(block);

	if (q)
		return qcow2_shrink(q, size, err);
	return block_resize(block, size, err);
}

static int resize(const char *path, const char *text,
		  const struct resize_args *args, struct error *err)
{
	struct img_open open = {
		.path = path,
		.format = args->format,
		.write = true,
	};
	bool relative = *text == '+' || *text == '-';
	struct block *block;
	uint64_t size, now;
	int rc;

	rc = img_parse_size(text + relative, &size, err);
	if (!rc)
		rc = img_open(&block, &open, err);
	if (rc)
		return rc;
	now = block_size(block);
	if (*text == '-')
		size = size < now ? now - size : 0;
	else if (*text == '+')
		size += now;
	if (!size) {
		rc = error_set(err, EINVAL, "nothing would be left of %s",
			       path);
	} else if (size < now && !args->shrink) {
		rc = error_set(err, EINVAL,
			       "%s has %" PRIu64 " bytes: to cut off what is "
			       "behind %" PRIu64 " takes --shrink",
			       path, now, size);
	} else {
		rc = size < now ? shrink(block, size, err) :
				  block_resize(block, size, err);
		if (rc)
			error_prefix(err, "%s", path);
	}
	block_close(block);
	return rc;
}

int img_resize(int argc, char **argv, struct error *err)
{
	struct resize_args args = { 0 };
	const char *words[2];
	int status = STATUS_USAGE;

	if (img_parse(argc, argv, resize_options, &args, words, 2, 2, err) >= 0)
		status = resize(words[0], words[1], &args, err) ? STATUS_ERROR :
								  STATUS_OFF;
	opt_free_strings(resize_options, &args);
	return status;
}

/* ---- snapshot ---------------------------------------------------------------- */

struct snapshot_args {
	char *create;
	char *apply;
	char *delete;
	bool json;
	bool share;
};

#define SNAPSHOT_NAME(member)                                              \
	{                                                                  \
		.name = #member, .kind = OPT_STRING, .min = 1, .max = 255, \
		.offset = offsetof(struct snapshot_args, member)           \
	}

static const struct opt snapshot_options[] = {
	SNAPSHOT_NAME(create),
	SNAPSHOT_NAME(apply),
	SNAPSHOT_NAME(delete),
	{ .name = "force-share",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct snapshot_args, share) },
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct snapshot_args, json) },
	{ 0 }
};

json_t *img_snapshots_json(struct qcow2 *q)
{
	const struct qcow2_snapshot_info *s;
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; (s = qcow2_snapshot_at(q, i)); i++)
		json_array_append_new(list,
				      json_pack("{s:s*, s:s*, s:I, s:I, s:I, s:I}",
						"id", s->id, "name", s->name,
						"vm-state-size",
						(json_int_t)s->vm_state,
						"date-sec",
						(json_int_t)s->seconds,
						"vm-clock-sec",
						(json_int_t)(s->vm_clock /
							     1000000000),
						"disk-size",
						(json_int_t)s->size));
	return list;
}

int img_snapshots_table(struct qcow2 *q, const char *indent)
{
	struct table t = {
		.titles = { "ID", "NAME", "DISK", "VM STATE", "DATE" },
		.right = { [2] = true, [3] = true },
		.indent = indent,
	};
	const struct qcow2_snapshot_info *s;
	char disk[24], state[24], date[32];
	struct tm tm;
	time_t when;
	uint32_t i;

	for (i = 0; (s = qcow2_snapshot_at(q, i)); i++) {
		text_bytes(disk, s->size);
		text_bytes(state, s->vm_state);
		when = (time_t)s->seconds;
		localtime_r(&when, &tm);
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
		table_add(&t, "%s", s->id);
		table_add(&t, "%s", s->name);
		table_add(&t, "%s", s->size ? disk : "-");
		table_add(&t, "%s", s->vm_state ? state : "-");
		table_add(&t, "%s", date);
	}
	return i ? table_print(&t) : 0;
}

static int snapshot(const char *path, const struct snapshot_args *args,
		    struct error *err)
{
	struct img_open open = {
		.path = path,
		.format = "qcow2",
		.write = args->create || args->apply || args->delete,
		.shared = args->share,
		.no_backing = true,
	};
	struct block *block;
	struct qcow2 *q;
	int rc = img_open(&block, &open, err);

	if (rc)
		return rc;
	q = qcow2_of(block);
	if (args->create)
		rc = qcow2_snapshot_create(q, args->create, err);
	else if (args->apply)
		rc = qcow2_snapshot_apply(q, args->apply, err);
	else if (args->delete)
		rc = qcow2_snapshot_delete(q, args->delete, err);
	else if (args->json)
		rc = img_print_json(img_snapshots_json(q), err);
	else
		rc = img_snapshots_table(q, NULL);
	if (rc && *err->text && open.write)
		error_prefix(err, "disk image %s", path);
	block_close(block);
	return rc;
}

int img_snapshot(int argc, char **argv, struct error *err)
{
	struct snapshot_args args = { 0 };
	int status = STATUS_USAGE;
	const char *path;

	if (img_parse(argc, argv, snapshot_options, &args, &path, 1, 1, err) <
	    0)
		goto out;
	if (!!args.create + !!args.apply + !!args.delete > 1 ||
	    ((args.create || args.apply || args.delete) && args.share)) {
		error_set(err, EINVAL,
			  "only one of --create, --apply and --delete, and "
			  "--force-share with none");
		goto out;
	}
	status = snapshot(path, &args, err) ? STATUS_ERROR : STATUS_OFF;
out:
	opt_free_strings(snapshot_options, &args);
	return status;
}
