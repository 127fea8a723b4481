// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that come and go, in QEMU's two steps: what is behind a device is made
 * first (blockdev-add, netdev_add, object-add), and then the device, which holds
 * it until the guest has let go.
 */
#include <ctype.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <net/if.h>

#include "../config.h"
#include "../device/pci.h"
#include "../plug.h"
#include "../virtio/virtio_devices.h"
#include "commands.h"
#include "schema.h"
#include "server.h"

#define ID_MAX 31 /* characters */

enum backend_kind { BACKEND_NODE, BACKEND_NETDEV, BACKEND_OBJECT };

/* One that is held by nobody but the list may be deleted. */
struct backend {
	union {
		struct disk_config disk;
		struct net_config net;
		struct rng_config rng;
	} config; /* the device's; the strings and fds in it are owned */
	enum backend_kind kind;
	char id[ID_MAX + 1];
	unsigned int holders;
	int fd;		      /* owns: of a network card's; or -1 */
	struct backend *file; /* holds: of a node, the one below */
	struct backend *next;
};

static const char *text_of(json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* ---- what is behind devices -------------------------------------------------- */

static void backend_release(void *opaque)
{
	struct backend *b = opaque;

	if (--b->holders)
		return;
	if (b->kind == BACKEND_NODE) {
		free(b->config.disk.path);
		free(b->config.disk.format);
		free(b->config.disk.serial);
		free(b->config.disk.node);
		if (b->config.disk.fd > 0)
			close(b->config.disk.fd);
	} else if (b->kind == BACKEND_NETDEV) {
		free(b->config.net.mac);
	} else {
		free(b->config.rng.source);
	}
	if (b->fd >= 0)
		close(b->fd);
	if (b->file)
		backend_release(b->file);
	free(b);
}

static struct backend **find_backend(struct qmp_call *call,
				     enum backend_kind kind, const char *id)
{
	struct backend **b = &call->control->backends;

	while (*b && ((*b)->kind != kind || strcmp((*b)->id, id) != 0))
		b = &(*b)->next;
	return b;
}

void backends_free(struct backend *list)
{
	struct backend *next;

	for (; list; list = next) {
		next = list->next;
		backend_release(list);
	}
}

/* As QEMU has it, and no longer than a device's. */
static bool good_id(struct qmp_call *call, const char *key, const char *id)
{
	size_t i, len = strlen(id);

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) &&
		    (!i || !strchr("-._", id[i])))
			break;
	if (len && i == len && len <= ID_MAX && isalpha((unsigned char)*id))
		return true;
	qmp_fail(call, "GenericError",
		 "Parameter '%s' expects an identifier (of up to %d characters)",
		 key, ID_MAX);
	return false;
}

/* Held by the caller alone; NULL: the call has failed. */
static struct backend *backend_new(struct qmp_call *call,
				   enum backend_kind kind, const char *id)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (!b) {
		qmp_fail(call, "GenericError", "no memory");
		return NULL;
	}
	b->kind = kind;
	b->holders = 1;
	b->fd = -1;
	strncpy(b->id, id, ID_MAX);
	return b;
}

static json_t *backend_add(struct qmp_call *call, struct backend *b)
{
	b->next = call->control->backends;
	call->control->backends = b;
	return json_object();
}

static json_t *backend_del(struct qmp_call *call, struct backend **at,
			   const char *what, const char *id)
{
	struct backend *b = *at;

	if (!b)
		return qmp_fail(call, "GenericError", "%s '%.64s' not found",
				what, id);
	if (b->holders > 1)
		return qmp_fail(call, "GenericError", "%s '%.64s' is in use",
				what, id);
	*at = b->next;
	backend_release(b);
	return json_object();
}

/* ---- disks -------------------------------------------------------------------- */

/* The image of @b is one, and nobody else has it. */
static bool try_image(struct qmp_call *call, const struct backend *b)
{
	const struct disk_config *disk = &b->config.disk;
	const struct block_options options = {
		.path = disk->path,
		.fd = disk->fd,
		.nodes = call->control->vm->nodes,
		.format = disk->format,
		.readonly = disk->readonly,
		.cache = disk->cache,
	};
	struct error err = { "" };
	struct block *block;

	if (block_open(&block, &options, &err)) {
		qmp_fail(call, "GenericError", "%s", err.text);
		return false;
	}
	block_close(block);
	return true;
}

static bool set_file(struct qmp_call *call, struct backend *b, const char *path,
		     int fd)
{
	struct disk_config *disk = &b->config.disk;

	disk->path = strdup(path);
	disk->node = strdup(b->id);
	disk->fd = fd > 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : 0;
	if (disk->path && disk->node && disk->fd >= 0)
		return true;
	qmp_fail(call, "GenericError", "too many files");
	return false;
}

static bool get_file(struct qmp_call *call, struct backend *b, json_t *args)
{
	const char *path = text_of(args, "filename");
	int fd = qmp_file(call, path);

	return fd >= 0 && set_file(call, b, path, fd);
}

/* What a format's node is of: another node, or a file that is said here. */
static bool get_ref(struct qmp_call *call, struct backend *b, json_t *args)
{
	json_t *file = json_object_get(args, "file");
	const char *name = json_string_value(file), *driver;
	struct backend *below;

	b->config.disk.format = strdup(text_of(args, "driver"));
	if (!b->config.disk.format) {
		qmp_fail(call, "GenericError", "no memory");
		return false;
	}
	if (!name) {
		driver = text_of(file, "driver");
		if (!strcmp(driver, "file") || !strcmp(driver, "host_device"))
			return get_file(call, b, file);
		qmp_fail(call, "GenericError",
			 "'file' must be a file or a host_device");
		return false;
	}
	below = *find_backend(call, BACKEND_NODE, name);
	if (!below || below->file || below->holders > 1) {
		qmp_fail(call, "GenericError",
			 below ? "Node '%.64s' is in use" :
				 "Cannot find device='' nor "
				 "node-name='%.64s'",
			 name);
		return false;
	}
	if (!set_file(call, b, below->config.disk.path, below->config.disk.fd))
		return false;
	b->file = below;
	below->holders++;
	return true;
}

static bool get_node(struct qmp_call *call, struct backend *b, json_t *args)
{
	const char *driver = text_of(args, "driver");
	json_t *cache = json_object_get(args, "cache");
	struct disk_config *disk = &b->config.disk;

	disk->readonly = json_is_true(json_object_get(args, "read-only"));
	disk->cache = json_is_true(json_object_get(cache, "direct")) ?
			      BLOCK_CACHE_NONE :
		      json_is_false(json_object_get(cache, "direct")) ?
			      BLOCK_CACHE_WRITEBACK :
			      BLOCK_CACHE_AUTO;
	if (!strcmp(driver, "raw") || !strcmp(driver, "qcow2"))
		return get_ref(call, b, args) && try_image(call, b);
	if (!strcmp(driver, "file") || !strcmp(driver, "host_device")) {
		disk->format = strdup("raw");
		return disk->format && get_file(call, b, args);
	}
	qmp_fail(call, "GenericError", "Unknown driver '%s'", driver);
	return false;
}

json_t *cmd_blockdev_add(struct qmp_call *call, json_t *args)
{
	const char *name = text_of(args, "node-name");
	struct backend *b;

	if (!name)
		return qmp_fail(call, "GenericError",
				"'node-name' must be specified for the root "
				"node");
	if (!good_id(call, "node-name", name))
		return NULL;
	if (*find_backend(call, BACKEND_NODE, name))
		return qmp_fail(call, "GenericError",
				"Duplicate nodes with node-name='%s'", name);
	b = backend_new(call, BACKEND_NODE, name);
	if (!b)
		return NULL;
	if (get_node(call, b, args))
		return backend_add(call, b);
	backend_release(b);
	return NULL;
}

json_t *cmd_blockdev_del(struct qmp_call *call, json_t *args)
{
	const char *name = text_of(args, "node-name");

	return backend_del(call, find_backend(call, BACKEND_NODE, name), "Node",
			   name);
}

/* ---- network cards ------------------------------------------------------------ */

json_t *cmd_netdev_add(struct qmp_call *call, json_t *args)
{
	const char *id = text_of(args, "id"), *fd = text_of(args, "fd");
	struct ifreq ifr;
	struct backend *b;

	if (!good_id(call, "id", id))
		return NULL;
	if (*find_backend(call, BACKEND_NETDEV, id))
		return qmp_fail(call, "GenericError",
				"Duplicate ID '%s' for netdev", id);
	if (strcmp(text_of(args, "type"), "tap") != 0 || !fd)
		return qmp_fail(call, "GenericError",
				"only a tap with an fd, from getfd, can be "
				"added to a machine that runs");
	if (json_is_true(json_object_get(args, "vhost")))
		return qmp_fail(call, "GenericError", "there is no vhost");
	b = backend_new(call, BACKEND_NETDEV, id);
	if (!b)
		return NULL;
	b->config.net.kind = NET_TAP;
	/* It would have to be opened. */
	b->config.net.vhost = VHOST_OFF;
	b->config.net.has_fd = true;
	b->fd = qmp_take_fd(call, fd);
	if (b->fd >= 0 && !ioctl(b->fd, TUNGETIFF, &ifr))
		return backend_add(call, b);
	if (b->fd >= 0)
		qmp_fail(call, "GenericError", "'%.64s' is no TAP interface",
			 fd);
	backend_release(b);
	return NULL;
}

json_t *cmd_netdev_del(struct qmp_call *call, json_t *args)
{
	const char *id = text_of(args, "id");

	return backend_del(call, find_backend(call, BACKEND_NETDEV, id),
			   "Device", id);
}

/* ---- random bytes ------------------------------------------------------------- */

json_t *cmd_object_add(struct qmp_call *call, json_t *args)
{
	const char *id = text_of(args, "id");
	const char *file = text_of(args, "filename");
	struct backend *b;

	if (!good_id(call, "id", id))
		return NULL;
	if (*find_backend(call, BACKEND_OBJECT, id))
		return qmp_fail(call, "GenericError",
				"attempt to add duplicate property '%s' to "
				"object (type 'container')",
				id);
	if (strcmp(text_of(args, "qom-type"), "rng-random") != 0)
		return qmp_fail(call, "GenericError",
				"only rng-random can be added to a machine "
				"that runs");
	if (file && strcmp(file, "/dev/urandom") != 0 &&
	    strcmp(file, "/dev/random") != 0)
		return qmp_fail(call, "GenericError",
				"%.64s is not the kernel's generator", file);
	b = backend_new(call, BACKEND_OBJECT, id);
	return b ? backend_add(call, b) : NULL;
}

json_t *cmd_object_del(struct qmp_call *call, json_t *args)
{
	const char *id = text_of(args, "id");

	return backend_del(call, find_backend(call, BACKEND_OBJECT, id),
			   "object", id);
}

/* ---- devices ------------------------------------------------------------------ */

/* What may be said of each, after what may be of all. */
static const struct driver {
	const char *name;
	const struct dev_class *class;
	enum backend_kind kind;
	const char *backend; /* the property that names it */
	bool optional;	     /* and need not */
	const char *properties;
} drivers[] = {
	{ "virtio-blk-pci", &virtio_blk_class, BACKEND_NODE, "drive", false,
	  "driver:str id:str bus?:str addr?:any drive:str serial?:str "
	  "num-queues?:int logical_block_size?:int physical_block_size?:int" },
	{ "virtio-net-pci", &virtio_net_class, BACKEND_NETDEV, "netdev", false,
	  "driver:str id:str bus?:str addr?:any netdev:str mac?:str "
	  "host_mtu?:int" },
	{ "virtio-rng-pci", &virtio_rng_class, BACKEND_OBJECT, "rng", true,
	  "driver:str id:str bus?:str addr?:any rng?:str" },
};

static const struct driver *find_driver(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

/* "5", "0x5", "05.0" or 40: of QEMU's, those of function 0.  0: any. */
static bool get_slot(struct qmp_call *call, json_t *args, unsigned int *slot)
{
	json_t *addr = json_object_get(args, "addr");
	const char *bus = text_of(args, "bus");
	const char *text = json_string_value(addr);
	unsigned long n = 0;
	char *end = "";

	*slot = 0;
	if (bus && strcmp(bus, "pcie.0") != 0) {
		qmp_fail(call, "GenericError", "Bus '%.64s' not found", bus);
		return false;
	}
	if (!addr)
		return true;
	if (text)
		n = strtoul(text, &end, 16);
	else if (json_is_integer(addr) && !(json_integer_value(addr) & 7))
		n = (unsigned long)json_integer_value(addr) >> 3;
	if (n && n < PCI_SLOTS - 1 && (!*end || !strcmp(end, ".0"))) {
		*slot = (unsigned int)n;
		return true;
	}
	qmp_fail(call, "GenericError",
		 "'addr' must be a slot from 1 to %d, and no function of it",
		 PCI_SLOTS - 2);
	return false;
}

/* An integer from @min to @max; 0 if it is not there. */
static bool get_number(struct qmp_call *call, json_t *args, const char *name,
		       json_int_t min, json_int_t max, unsigned int *n)
{
	const json_t *value = json_object_get(args, name);

	*n = 0;
	if (!value)
		return true;
	*n = (unsigned int)json_integer_value(value);
	if (json_integer_value(value) >= min &&
	    json_integer_value(value) <= max)
		return true;
	qmp_fail(call, "GenericError", "'%s' must be from %lld to %lld", name,
		 (long long)min, (long long)max);
	return false;
}

static bool replace(char **text, const char *with)
{
	free(*text);
	*text = with ? strdup(with) : NULL;
	return !with || *text;
}

/* The device's part of the configuration. */
static bool configure(struct qmp_call *call, struct backend *b, json_t *args)
{
	struct disk_config *disk = &b->config.disk;
	struct net_config *net = &b->config.net;
	const char *serial = text_of(args, "serial");

	switch (b->kind) {
	case BACKEND_NODE:
		/* QEMU cuts it off. */
		if (serial && strlen(serial) > 20) {
			qmp_fail(call, "GenericError",
				 "'serial' has more than 20 characters");
			return false;
		}
		return replace(&disk->serial, serial) &&
		       get_number(call, args, "num-queues", 1,
				  CONFIG_MAX_DISK_QUEUES, &disk->queues) &&
		       get_number(call, args, "logical_block_size", 512, 4096,
				  &disk->block_size) &&
		       get_number(call, args, "physical_block_size", 512,
				  1 << 20, &disk->physical_size);
	case BACKEND_NETDEV:
		net->fd = (unsigned int)fcntl(b->fd, F_DUPFD_CLOEXEC, 3);
		if ((int)net->fd < 0) {
			qmp_fail(call, "GenericError", "too many files");
			return false;
		}
		if (replace(&net->mac, text_of(args, "mac")) &&
		    get_number(call, args, "host_mtu", 68, 65535, &net->mtu))
			return true;
		close((int)net->fd);
		return false;
	default:
		return true;
	}
}

static bool check_device(struct qmp_call *call, const struct driver *driver,
			 json_t *args)
{
	struct error err = { "" };

	if (schema_check(driver->properties, args, &err)) {
		qmp_fail(call, "GenericError", "%s", err.text);
		return false;
	}
	return good_id(call, "id", text_of(args, "id"));
}

/* What it is to be of, held for it; NULL: the call has failed. */
static struct backend *hold_backend(struct qmp_call *call,
				    const struct driver *driver, json_t *args)
{
	const char *name = text_of(args, driver->backend);
	struct backend *b;

	if (!name)
		return backend_new(call, driver->kind, "");
	b = *find_backend(call, driver->kind, name);
	if (!b || b->holders > 1) {
		qmp_fail(call, "GenericError",
			 b ? "'%s': '%.64s' is in use" :
			     "Property '%s' can't find value '%.64s'",
			 driver->backend, name);
		return NULL;
	}
	b->holders++;
	return b;
}

json_t *cmd_device_add(struct qmp_call *call, json_t *args)
{
	const char *name = text_of(args, "driver");
	const struct driver *driver = find_driver(name);
	struct plug_request request = { .release = backend_release };
	struct error err = { "" };
	struct backend *b;

	if (!driver)
		return qmp_fail(call, "GenericError",
				"'%.64s' is not a device that can be plugged "
				"in",
				name);
	if (!check_device(call, driver, args) ||
	    !get_slot(call, args, &request.slot))
		return NULL;
	b = hold_backend(call, driver, args);
	if (!b)
		return NULL;
	if (!configure(call, b, args)) {
		backend_release(b);
		return NULL;
	}
	request.class = driver->class;
	request.id = text_of(args, "id");
	request.config = b;
	if (plug_add(call->control->vm, &request, &err))
		return qmp_fail(call, "GenericError", "%s", err.text);
	return json_object();
}

json_t *cmd_device_del(struct qmp_call *call, json_t *args)
{
	static const char prefix[] = "/machine/peripheral/";
	const char *given = text_of(args, "id"), *id = given;
	struct vm *vm = call->control->vm;
	struct error err = { "" };
	struct device *dev;

	if (!strncmp(id, prefix, strlen(prefix)))
		id += strlen(prefix);
	for (dev = vm->devices; dev && strcmp(dev->id, id) != 0;)
		dev = dev->next;
	if (!dev)
		return qmp_fail(call, "DeviceNotFound",
				"Device '%.64s' not found", given);
	if (plug_ask(vm, dev, &err))
		return qmp_fail(call, "GenericError", "%s", err.text);
	return json_object();
}
