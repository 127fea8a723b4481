// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo attach and detach: devices of a machine that runs.  What a device is of
 * is opened here, with this caller's rights, and passed to the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/if_tun.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <net/if.h>

#include "../error.h"
#include "../options_table.h"
#include "commands.h"
#include "remote.h"

#define TUN "/dev/net/tun"

struct attach_args {
	char *id;
	char *format;
	bool ro;
	char *serial;
	char *mac;
};

#define STRING(n)                                                    \
	{                                                            \
		.name = #n, .kind = OPT_STRING, .min = 1, .max = 31, \
		.offset = offsetof(struct attach_args, n)            \
	}

static const struct opt attach_options[] = {
	STRING(id),
	STRING(serial),
	STRING(mac),
	{ .name = "format",
	  .kind = OPT_STRING,
	  .words = "raw|qcow2",
	  .offset = offsetof(struct attach_args, format) },
	{ .name = "ro",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct attach_args, ro) },
	{ 0 }
};

/* What a device of @kind is made of, under its name. */
static const struct kind {
	const char *name;
	const char *driver;
	const char *backend; /* the property */
	const char *add;
	const char *del;
	const char *key; /* of what is deleted */
	const char *of;	 /* a word of the command; NULL: none */
} kinds[] = {
	{ "disk", "virtio-blk-pci", "drive", "blockdev-add", "blockdev-del",
	  "node-name", "FILE" },
	{ "net", "virtio-net-pci", "netdev", "netdev_add", "netdev_del", "id",
	  "TAP" },
	{ "rng", "virtio-rng-pci", "rng", "object-add", "object-del", "id",
	  NULL },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *find_kind(const char *name, struct error *err)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	error_set(err, EINVAL, "a '%.32s' cannot be attached: disk, net or rng",
		  name);
	return NULL;
}

/* ---- what it is of ---------------------------------------------------------- */

static int open_image(const char *path, bool ro, struct error *err)
{
	int fd = open(path, (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "cannot open %s", path);
	return fd;
}

static int open_tap(const char *name, struct error *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd, rc;

	if (strlen(name) >= IFNAMSIZ)
		return error_set(err, EINVAL, "%.32s is no interface", name);
	memcpy(ifr.ifr_name, name, strlen(name));
	fd = open(TUN, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_sys(err, errno, "cannot open " TUN);
	if (!ioctl(fd, TUNSETIFF, &ifr))
		return fd;
	rc = error_sys(err, errno, "cannot use the interface %s", name);
	close(fd);
	return rc;
}

/* raw, unless the name says something else. */
static const char *format_of(const char *path, const char *given)
{
	size_t len = strlen(path);

	if (given)
		return given;
	return len > 6 && !strcmp(path + len - 6, ".qcow2") ? "qcow2" : "raw";
}

static int add_disk(struct remote *c, const char *path,
		    const struct attach_args *args, struct error *err)
{
	int fd = open_image(path, args->ro, err), rc;
	char name[REMOTE_FD_NAME];

	if (fd < 0)
		return fd;
	rc = remote_pass_fd(c, fd, path, name, err);
	close(fd);
	if (rc)
		return rc;
	rc = remote_execute(c, "blockdev-add",
			    json_pack("{s:s,s:s,s:b,s:{s:s,s:s}}", "driver",
				      format_of(path, args->format),
				      "node-name", args->id, "read-only",
				      args->ro, "file", "driver", "file",
				      "filename", name),
			    NULL, err);
	/* The node has one of its own. */
	remote_forget_fd(c, name, rc ? NULL : err);
	return rc;
}

static int add_net(struct remote *c, const char *tap, const char *id,
		   struct error *err)
{
	int fd = open_tap(tap, err), rc;

	if (fd < 0)
		return fd;
	rc = remote_send_fd(c, fd, "getfd", json_pack("{s:s}", "fdname", "tap"),
			    NULL, err);
	close(fd);
	if (rc)
		return rc;
	return remote_execute(c, "netdev_add",
			      json_pack("{s:s,s:s,s:s}", "type", "tap", "id",
					id, "fd", "tap"),
			      NULL, err);
}

static int add_backend(struct remote *c, const struct kind *kind,
		       const char *of, const struct attach_args *args,
		       struct error *err)
{
	if (!strcmp(kind->name, "disk"))
		return add_disk(c, of, args, err);
	if (!strcmp(kind->name, "net"))
		return add_net(c, of, args->id, err);
	return remote_execute(c, "object-add",
			      json_pack("{s:s,s:s}", "qom-type", "rng-random",
					"id", args->id),
			      NULL, err);
}

static int del_backend(struct remote *c, const struct kind *kind,
		       const char *id, struct error *err)
{
	return remote_execute(c, kind->del, json_pack("{s:s}", kind->key, id),
			      NULL, err);
}

/* ---- attach ----------------------------------------------------------------- */

/* The first of disk0, disk1 and so on that no device has. */
static int choose_id(struct remote *c, const struct kind *kind, char id[32],
		     struct error *err)
{
	json_t *list, *entry;
	unsigned int n;
	size_t i;
	int rc;

	rc = remote_execute(c, "qom-list",
			    json_pack("{s:s}", "path", "/machine/peripheral"),
			    &list, err);
	if (rc)
		return rc;
	for (n = 0;; n++) {
		snprintf(id, 32, "%s%u", kind->name, n);
		json_array_foreach(list, i, entry) {
			if (!strcmp(id,
				    json_string_value(
					    json_object_get(entry, "name"))))
				break;
		}
		if (i == json_array_size(list))
			break;
	}
	json_decref(list);
	return 0;
}

static int attach(struct remote *c, const struct kind *kind, const char *of,
		  struct attach_args *args, struct error *err)
{
	char id[32];
	int rc;

	if (!args->id) {
		rc = choose_id(c, kind, id, err);
		if (rc)
			return rc;
		args->id = id;
	}
	rc = add_backend(c, kind, of, args, err);
	if (!rc) {
		rc = remote_execute(c, "device_add",
				    json_pack("{s:s,s:s,s:s,s:s*,s:s*}",
					      "driver", kind->driver, "id",
					      args->id, kind->backend, args->id,
					      "serial", args->serial, "mac",
					      args->mac),
				    NULL, err);
		if (rc)
			del_backend(c, kind, args->id, NULL);
	}
	if (!rc)
		puts(args->id);
	if (args->id == id)
		args->id = NULL;
	return rc;
}

static int check_words(const struct kind *kind, int n, const char *machine,
		       struct error *err)
{
	if (n == (kind->of ? 3 : 2))
		return 0;
	return error_set(err, EINVAL, "vireo attach %.64s %s%s%s", machine,
			 kind->name, kind->of ? " " : "",
			 kind->of ? kind->of : "");
}

int cli_attach(int argc, char **argv, struct error *err)
{
	struct attach_args args = { 0 };
	const char *words[3] = { NULL };
	const struct kind *kind;
	struct remote *c;
	int n, rc = STATUS_USAGE;

	n = cli_parse(argc, argv, attach_options, &args, words, 1, 3, err);
	if (n == 1)
		error_set(err, EINVAL,
			  "attach what? disk FILE, net TAP or rng");
	if (n < 2)
		goto out;
	kind = find_kind(words[1], err);
	if (!kind || check_words(kind, n, words[0], err))
		goto out;
	rc = remote_open(&c, words[0], REMOTE_LIMIT_MS, err);
	if (!rc) {
		rc = attach(c, kind, words[2], &args, err);
		remote_close(c);
	}
	rc = cli_status(rc);
out:
	opt_free_strings(attach_options, &args);
	return rc;
}

/* ---- detach ----------------------------------------------------------------- */

struct detach_args {
	unsigned int timeout;
};

static const struct opt detach_options[] = {
	{ .name = "timeout",
	  .kind = OPT_UINT,
	  .def = "60",
	  .max = 1000000,
	  .offset = offsetof(struct detach_args, timeout) },
	{ 0 }
};

static bool is_gone(const json_t *msg, const char *id)
{
	const char *event = json_string_value(json_object_get(msg, "event"));
	const char *device = json_string_value(
		json_object_get(json_object_get(msg, "data"), "device"));

	return event && device && !strcmp(event, "DEVICE_DELETED") &&
	       !strcmp(device, id);
}

/* Until the guest has let go of it. */
static int wait_gone(struct remote *c, const char *id, unsigned int seconds,
		     struct error *err)
{
	time_t end = time(NULL) + seconds, left;
	bool gone = false;
	json_t *msg;
	int rc;

	while (!gone) {
		left = end - time(NULL);
		rc = left > 0 ? remote_receive(c, (int)left * 1000, &msg, err) :
				-ETIMEDOUT;
		if (rc == -ETIMEDOUT)
			return error_set(err, ETIMEDOUT,
					 "the guest has not let go of %s after "
					 "%u s",
					 id, seconds);
		if (rc)
			return rc;
		gone = is_gone(msg, id);
		json_decref(msg);
	}
	return 0;
}

int cli_detach(int argc, char **argv, struct error *err)
{
	struct detach_args args = { 0 };
	const char *words[2];
	struct remote *c;
	size_t i;
	int n, rc;

	n = cli_parse(argc, argv, detach_options, &args, words, 1, 2, err);
	if (n == 1)
		error_set(err, EINVAL,
			  "which device? (vireo inspect %s lists them)",
			  words[0]);
	if (n < 2)
		return STATUS_USAGE;
	rc = remote_open(&c, words[0], REMOTE_LIMIT_MS, err);
	if (rc)
		return cli_status(rc);
	rc = remote_execute(c, "device_del", json_pack("{s:s}", "id", words[1]),
			    NULL, err);
	if (!rc && args.timeout)
		rc = wait_gone(c, words[1], args.timeout, err);
	/* Of one that came by attach, what it was of has its name. */
	for (i = 0; i < NR_KINDS && !rc && args.timeout; i++)
		del_backend(c, &kinds[i], words[1], NULL);
	remote_close(c);
	return cli_status(rc);
}
