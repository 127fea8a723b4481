// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree of objects as QEMU would show it, made from the list of devices:
 *
 *   /chardevs /objects
 *   /machine
 *     /peripheral           what options ask for: /machine/peripheral/disk0
 *     /peripheral-anon
 *     /unattached           device[N]: the vCPUs, then what is always there
 *
 * An object has the properties of its type and of the types above, and its
 * children.
 */
#include <stdio.h>
#include <string.h>

#include "../chardev.h"
#include "../config.h"
#include "../device/devices.h"
#include "../device/pci.h"
#include "../virtio/virtio_devices.h"
#include "commands.h"
#include "server.h"

/* What a path leads to. */
struct object {
	char path[QOM_PATH_MAX];
	const struct type *type;
	struct vm *vm;
	const struct device *dev;
	unsigned int vcpu;
};

struct property {
	const char *name; /* NULL ends a table */
	const char *type;
	const char *help;
	json_t *(*get)(const struct object *obj);
};

struct type {
	const char *name;
	const char *parent;
	bool abstract;
	const struct property *properties;
	/* Of a device: its class, and whether an option creates it. */
	const struct dev_class *class;
	bool peripheral;
};

/* ---- properties ---------------------------------------------------------------- */

static json_t *get_type(const struct object *obj)
{
	return json_string(obj->type->name);
}

static json_t *get_true(const struct object *obj)
{
	(void)obj;
	return json_true();
}

static json_t *get_false(const struct object *obj)
{
	(void)obj;
	return json_false();
}

static json_t *get_addr(const struct object *obj)
{
	return json_integer(((const struct pci_dev *)obj->dev)->devfn);
}

static json_t *get_id(const struct object *obj)
{
	return json_string(obj->dev->id);
}

static const struct disk_config *disk_config(const struct object *obj)
{
	struct blk_status st;

	virtio_blk_status(obj->dev, &st);
	return st.config;
}

static json_t *get_serial(const struct object *obj)
{
	const char *serial = disk_config(obj)->serial;

	return json_string(serial ? serial : obj->dev->id);
}

static json_t *get_readonly(const struct object *obj)
{
	return json_boolean(disk_config(obj)->readonly);
}

static json_t *get_source(const struct object *obj)
{
	return qmp_text(obj->vm->cfg->rng.source);
}

static json_t *get_core(const struct object *obj)
{
	return json_integer(obj->vcpu);
}

static json_t *get_zero(const struct object *obj)
{
	(void)obj;
	return json_integer(0);
}

static json_t *get_memory_size(const struct object *obj)
{
	return json_integer((json_int_t)obj->vm->mem.size);
}

static json_t *get_kernel(const struct object *obj)
{
	return qmp_text(obj->vm->cfg->kernel);
}

static json_t *get_initrd(const struct object *obj)
{
	return qmp_text(obj->vm->cfg->initrd ? obj->vm->cfg->initrd : "");
}

static json_t *get_mac(const struct object *obj)
{
	struct net_status st;

	virtio_net_status(obj->dev, &st);
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", st.mac[0],
			    st.mac[1], st.mac[2], st.mac[3], st.mac[4],
			    st.mac[5]);
}

static json_t *get_append(const struct object *obj)
{
	return qmp_text(obj->vm->cfg->append ? obj->vm->cfg->append : "");
}

static const struct property object_properties[] = {
	{ "type", "string", NULL, get_type },
	{ 0 },
};

static const struct property machine_properties[] = {
	{ "kernel", "string", "Linux kernel image file", get_kernel },
	{ "initrd", "string", "Linux initial ramdisk file", get_initrd },
	{ "append", "string", "Linux kernel command line", get_append },
	{ "x-vireo-memory", "size", "bytes of guest RAM", get_memory_size },
	{ 0 },
};

static const struct property device_properties[] = {
	{ "realized", "bool", NULL, get_true },
	{ "hotplugged", "bool", NULL, get_false },
	{ "hotpluggable", "bool", NULL, get_false },
	{ 0 },
};

static const struct property cpu_properties[] = {
	{ "socket-id", "int32", NULL, get_zero },
	{ "core-id", "int32", NULL, get_core },
	{ "thread-id", "int32", NULL, get_zero },
	{ 0 },
};

static const struct property pci_properties[] = {
	{ "addr", "int32",
	  "Slot and optional function number, example: 06.0 or 06", get_addr },
	{ 0 },
};

static const struct property serial_properties[] = {
	{ "chardev", "str", "ID of a chardev to use as a backend", get_id },
	{ "index", "uint32", NULL, get_zero },
	{ 0 },
};

static const struct property blk_properties[] = {
	{ "drive", "str",
	  "Node name or ID of a block device to use as a backend", get_id },
	{ "serial", "str", NULL, get_serial },
	{ "x-vireo-ro", "bool", "the guest cannot write to it", get_readonly },
	{ 0 },
};

static const struct property net_properties[] = {
	{ "netdev", "str", "ID of a netdev to use as a backend", get_id },
	{ "mac", "str",
	  "Ethernet 6-byte MAC Address, example: 52:54:00:12:34:56", get_mac },
	{ 0 },
};

static const struct property rng_properties[] = {
	{ "x-vireo-source", "str", "file of random bytes", get_source },
	{ 0 },
};

static const struct property console_properties[] = {
	{ "x-vireo-chardev", "str", "ID of its chardev", get_id },
	{ 0 },
};

#define TYPE(n, p) .name = n, .parent = p
#define ABSTRACT(n, p, props)                                     \
	{                                                         \
		TYPE(n, p), .abstract = true, .properties = props \
	}
/* Of the board; by an option. */
#define BOARD(n, p, props, c)                                \
	{                                                    \
		TYPE(n, p), .properties = props, .class = &c \
	}
#define OPTION(n, p, props, c)                                \
	{                                                     \
		TYPE(n, p), .properties = props, .class = &c, \
			    .peripheral = true                \
	}

/* QEMU's names where it has such a thing. */
static const struct type types[] = {
	ABSTRACT("object", NULL, object_properties),
	{ TYPE("container", "object") },
	ABSTRACT("machine", "object", machine_properties),
	{ TYPE("x-vireo-q35-machine", "machine") },
	ABSTRACT("device", "object", device_properties),
	ABSTRACT("cpu", "device", cpu_properties),
	ABSTRACT("x86_64-cpu", "cpu", NULL),
	{ TYPE("host-x86_64-cpu", "x86_64-cpu") },
	ABSTRACT("sys-bus-device", "device", NULL),
	ABSTRACT("isa-device", "device", NULL),
	ABSTRACT("pci-device", "device", pci_properties),
	ABSTRACT("virtio-pci", "pci-device", NULL),
	BOARD("mch", "pci-device", NULL, q35_host_class),
	BOARD("ICH9-LPC", "pci-device", NULL, ich9_lpc_class),
	BOARD("mc146818rtc", "isa-device", NULL, rtc_class),
	BOARD("i8042", "isa-device", NULL, i8042_class),
	BOARD("isa-serial", "isa-device", serial_properties, serial_class),
	BOARD("fw_cfg_io", "sys-bus-device", NULL, fw_cfg_class),
	OPTION("virtio-blk-pci", "virtio-pci", blk_properties,
	       virtio_blk_class),
	OPTION("virtio-scsi-pci", "virtio-pci", NULL, virtio_scsi_class),
	OPTION("virtio-net-pci", "virtio-pci", net_properties,
	       virtio_net_class),
	OPTION("virtio-rng-pci", "virtio-pci", rng_properties,
	       virtio_rng_class),
	OPTION("virtio-serial-pci", "virtio-pci", console_properties,
	       virtio_console_class),
};

#define NR_TYPES (sizeof(types) / sizeof(types[0]))

static const struct type *find_type(const char *name)
{
	size_t i;

	for (i = 0; name && i < NR_TYPES; i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

static const struct type *type_of(const struct device *dev)
{
	size_t i;

	for (i = 0; i < NR_TYPES; i++)
		if (types[i].class == dev->class)
			return &types[i];
	return find_type("device");
}

static bool is_a(const struct type *type, const char *name)
{
	for (; type; type = find_type(type->parent))
		if (!strcmp(type->name, name))
			return true;
	return false;
}

/* ---- paths -------------------------------------------------------------------- */

void qom_vcpu_path(unsigned int index, char path[QOM_PATH_MAX])
{
	snprintf(path, QOM_PATH_MAX, "/machine/unattached/device[%u]", index);
}

void qom_device_path(const struct vm *vm, const struct device *dev,
		     char path[QOM_PATH_MAX])
{
	unsigned int n = vm->nr_vcpus;
	const struct device *d;

	if (type_of(dev)->peripheral) {
		snprintf(path, QOM_PATH_MAX, "/machine/peripheral/%s", dev->id);
		return;
	}
	for (d = vm->devices; d && d != dev; d = d->next)
		n += !type_of(d)->peripheral;
	qom_vcpu_path(n, path);
}

/* Calls @see for all objects of the tree until it returns true. */
static bool walk(struct vm *vm,
		 bool (*see)(void *opaque, const struct object *obj),
		 void *opaque)
{
	static const struct {
		const char *path;
		const char *type;
	} fixed[] = {
		{ "/", "container" },
		{ "/chardevs", "container" },
		{ "/objects", "container" },
		{ "/machine", "x-vireo-q35-machine" },
		{ "/machine/peripheral", "container" },
		{ "/machine/peripheral-anon", "container" },
		{ "/machine/unattached", "container" },
	};
	struct object obj = { .vm = vm };
	size_t i;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		strcpy(obj.path, fixed[i].path);
		obj.type = find_type(fixed[i].type);
		if (see(opaque, &obj))
			return true;
	}
	obj.type = find_type("host-x86_64-cpu");
	for (obj.vcpu = 0; obj.vcpu < vm->nr_vcpus; obj.vcpu++) {
		qom_vcpu_path(obj.vcpu, obj.path);
		if (see(opaque, &obj))
			return true;
	}
	for (obj.dev = vm->devices; obj.dev; obj.dev = obj.dev->next) {
		obj.type = type_of(obj.dev);
		qom_device_path(vm, obj.dev, obj.path);
		if (see(opaque, &obj))
			return true;
	}
	return false;
}

struct lookup {
	const char *path;
	struct object *obj;
};

/* As in QEMU, the end of a path will do where it does not begin with /. */
static bool is_path(void *opaque, const struct object *obj)
{
	struct lookup *lookup = opaque;
	const char *path = obj->path;
	size_t all = strlen(path), len = strlen(lookup->path);
	bool same = lookup->path[0] == '/' ?
			    !strcmp(path, lookup->path) :
			    len && all > len && path[all - len - 1] == '/' &&
				    !strcmp(path + all - len, lookup->path);

	if (same)
		*lookup->obj = *obj;
	return same;
}

static bool find_object(struct qmp_call *call, json_t *args, struct object *obj)
{
	const char *path = json_string_value(json_object_get(args, "path"));
	struct lookup lookup = { path, obj };

	if (walk(call->control->vm, is_path, &lookup))
		return true;
	qmp_fail(call, "DeviceNotFound", "Device '%.96s' not found", path);
	return false;
}

/* ---- commands ------------------------------------------------------------------- */

struct children {
	const char *parent; /* a path */
	json_t *list;	    /* of ObjectPropertyInfo; NULL: only @name */
	const char *name;
	json_t *path; /* of @name */
};

/* Its name if @path is right below @parent, or NULL. */
static const char *name_below(const char *parent, const char *path)
{
	size_t len = parent[1] ? strlen(parent) : 0; /* "/" */

	if (strncmp(path, parent, len) != 0 || path[len] != '/' ||
	    !path[len + 1] || strchr(path + len + 1, '/'))
		return NULL;
	return path + len + 1;
}

static bool see_child(void *opaque, const struct object *obj)
{
	struct children *c = opaque;
	const char *name = name_below(c->parent, obj->path);
	char type[64];

	if (!name)
		return false;
	if (!c->list) {
		if (strcmp(name, c->name) != 0)
			return false;
		c->path = json_string(obj->path);
		return true;
	}
	snprintf(type, sizeof(type), "child<%s>", obj->type->name);
	json_array_append_new(c->list, json_pack("{s:s,s:s}", "name", name,
						 "type", type));
	return false;
}

static void add_properties(json_t *list, const struct type *type,
			   bool all_types)
{
	const struct property *p;

	for (; type; type = find_type(type->parent)) {
		/* What every object has is not a device's. */
		if (!all_types && !type->parent)
			continue;
		for (p = type->properties; p && p->name; p++)
			json_array_append_new(list,
					      json_pack("{s:s,s:s,s:s*}",
							"name", p->name, "type",
							p->type, "description",
							p->help));
	}
}

json_t *cmd_qom_list(struct qmp_call *call, json_t *args)
{
	struct children c = { .list = NULL };
	struct object obj = { .type = NULL };

	if (!find_object(call, args, &obj))
		return NULL;
	c.parent = obj.path;
	c.list = json_array();
	add_properties(c.list, obj.type, true);
	walk(obj.vm, see_child, &c);
	return c.list;
}

/* NULL if it has none of that name. */
static json_t *get_property(const struct object *obj, const char *name)
{
	const struct property *p;
	const struct type *type;

	for (type = obj->type; type; type = find_type(type->parent))
		for (p = type->properties; p && p->name; p++)
			if (!strcmp(p->name, name))
				return p->get(obj);
	return NULL;
}

json_t *cmd_qom_get(struct qmp_call *call, json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "property"));
	struct children c = { .name = name };
	struct object obj = { .type = NULL };
	json_t *value;

	if (!find_object(call, args, &obj))
		return NULL;
	value = get_property(&obj, name);
	if (value)
		return value;
	c.parent = obj.path;
	if (walk(obj.vm, see_child, &c))
		return c.path;
	return qmp_fail(call, "GenericError", "Property '%s.%.64s' not found",
			obj.type->name, name);
}

json_t *cmd_qom_list_types(struct qmp_call *call, json_t *args)
{
	const char *base =
		json_string_value(json_object_get(args, "implements"));
	bool abstract = json_is_true(json_object_get(args, "abstract"));
	json_t *list = json_array(), *entry;
	size_t i;

	(void)call;
	for (i = 0; i < NR_TYPES; i++) {
		if ((types[i].abstract && !abstract) ||
		    (base && !is_a(&types[i], base)))
			continue;
		entry = json_pack("{s:s,s:s*}", "name", types[i].name, "parent",
				  types[i].parent);
		if (types[i].abstract)
			json_object_set_new(entry, "abstract", json_true());
		json_array_append_new(list, entry);
	}
	return list;
}

/* @what it is called in the error. */
static const struct type *named_type(struct qmp_call *call, json_t *args,
				     const char *what)
{
	const char *name = json_string_value(json_object_get(args, "typename"));
	const struct type *type = find_type(name);

	if (!type)
		qmp_fail(call, "DeviceNotFound", "%s '%.64s' not found", what,
			 name);
	return type;
}

json_t *cmd_qom_list_properties(struct qmp_call *call, json_t *args)
{
	const struct type *type = named_type(call, args, "Class");
	json_t *list;

	if (!type)
		return NULL;
	list = json_array();
	add_properties(list, type, true);
	return list;
}

json_t *cmd_device_list_properties(struct qmp_call *call, json_t *args)
{
	const struct type *type = named_type(call, args, "Device");
	json_t *list;

	if (!type)
		return NULL;
	if (!is_a(type, "device") || type->abstract)
		return qmp_fail(
			call, "GenericError",
			"Parameter 'typename' expects a non-abstract device type");
	list = json_array();
	add_properties(list, type, false);
	return list;
}
