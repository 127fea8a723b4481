// SPDX-License-Identifier: GPL-2.0-or-later
/* SCSI disks and CD-ROM drives: what there is, media, disks more or less. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../config.h"
#include "../virtio/virtio_devices.h"
#include "commands.h"
#include "server.h"

/* ---- queries --------------------------------------------------------------- */

#define PATH_LEN (QOM_PATH_MAX + SCSI_TARGET_ID_MAX + 1)

/* A target lies below its controller. */
static void target_path(const struct vm *vm, const struct device *dev,
			const char *id, char path[PATH_LEN])
{
	char controller[QOM_PATH_MAX];

	qom_device_path(vm, dev, controller);
	snprintf(path, PATH_LEN, "%s/%s", controller, id);
}

void scsi_blocks(const struct vm *vm, struct device *dev, json_t *list)
{
	struct scsi_status_of st;
	char path[PATH_LEN];
	json_t *entry;
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++) {
		if (!virtio_scsi_status(dev, i, &st))
			continue;
		target_path(vm, dev, st.id, path);
		entry = json_pack("{s:s,s:s,s:s,s:b,s:b,s:s}", "device", st.id,
				  "qdev", path, "type", "unknown", "removable",
				  st.cdrom, "locked", st.locked, "io-status",
				  block_io_status(&st.blk));
		if (st.cdrom)
			json_object_set_new(entry, "tray_open",
					    json_boolean(st.tray_open));
		if (st.blk.block)
			json_object_set_new(
				entry, "inserted",
				block_inserted(st.id,
					       virtio_scsi_throttle(dev, i),
					       &st.blk));
		json_array_append_new(list, entry);
	}
}

void scsi_blockstats(const struct vm *vm, const struct device *dev,
		     json_t *args, json_t *list)
{
	bool nodes = json_is_true(json_object_get(args, "query-nodes"));
	struct scsi_status_of st;
	char path[PATH_LEN];
	json_t *entry;
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++) {
		/* A node is what is in a drive. */
		if (!virtio_scsi_status(dev, i, &st) ||
		    (nodes && !st.blk.block))
			continue;
		entry = json_pack("{s:o}", "stats", block_stats(&st.blk));
		if (st.blk.block)
			json_object_set_new(entry, "node-name",
					    json_string(st.id));
		if (!nodes) {
			target_path(vm, dev, st.id, path);
			json_object_set_new(entry, "device",
					    json_string(st.id));
			json_object_set_new(entry, "qdev", json_string(path));
		}
		json_array_append_new(list, entry);
	}
}

/* ---- which one is meant ---------------------------------------------------- */

static struct device *controller(const struct vm *vm)
{
	struct device *dev = vm->devices;

	while (dev && dev->class != &virtio_scsi_class)
		dev = dev->next;
	return dev;
}

bool scsi_place(struct qmp_call *call, json_t *args, const char *other,
		struct scsi_place *place)
{
	const char *name = json_string_value(json_object_get(args, "device"));
	struct scsi_status_of st;

	if (!name)
		name = json_string_value(json_object_get(args, other));
	place->dev = controller(call->control->vm);
	if (!name || !place->dev)
		return false;
	for (place->number = 0; place->number < SCSI_TARGETS; place->number++)
		if (virtio_scsi_status(place->dev, place->number, &st) &&
		    !strcmp(st.id, name))
			return true;
	return false;
}

/* The same, with an error if there is none. */
static bool place_or_fail(struct qmp_call *call, json_t *args,
			  struct scsi_place *place)
{
	const char *name = json_string_value(json_object_get(args, "device"));
	const char *id = json_string_value(json_object_get(args, "id"));

	if (!name == !id)
		qmp_fail(call, "GenericError",
			 "Need exactly one of 'device' and 'id'");
	else if (scsi_place(call, args, "id", place))
		return true;
	else
		qmp_fail(call, "DeviceNotFound", "Device '%.64s' not found",
			 name ? name : id);
	return false;
}

/* ---- media ----------------------------------------------------------------- */

static bool forced(json_t *args)
{
	return json_is_true(json_object_get(args, "force"));
}

json_t *cmd_eject(struct qmp_call *call, json_t *args)
{
	struct error err = { "" };
	struct scsi_place at;

	if (!place_or_fail(call, args, &at))
		return NULL;
	if (virtio_scsi_eject(at.dev, at.number, forced(args), &err))
		return qmp_fail(call, "GenericError", "%s", err.text);
	return json_object();
}

/* A drive reads only, whatever read-only-mode says. */
json_t *cmd_change_medium(struct qmp_call *call, json_t *args)
{
	struct block_options options = {
		.path = json_string_value(json_object_get(args, "filename")),
		.format = json_string_value(json_object_get(args, "format")),
		.readonly = true,
	};
	const char *mode =
		json_string_value(json_object_get(args, "read-only-mode"));
	struct error err = { "" };
	struct scsi_place at;

	if (!place_or_fail(call, args, &at))
		return NULL;
	if (mode && !strcmp(mode, "read-write"))
		return qmp_fail(call, "GenericError",
				"A CD-ROM drive cannot write");
	options.fd = qmp_file(call, options.path);
	if (options.fd < 0)
		return NULL;
	options.nodes = call->control->vm->nodes;
	if (virtio_scsi_insert(at.dev, at.number, &options, forced(args), &err))
		return qmp_fail(call, "GenericError", "%s", err.text);
	return json_object();
}

/* ---- disks more or less ---------------------------------------------------- */

/* 0 if it is not there. */
static bool get_limit(struct qmp_call *call, json_t *args, const char *name,
		      uint64_t min, uint64_t max, uint64_t *limit)
{
	const json_t *value = json_object_get(args, name);
	json_int_t n = json_integer_value(value);

	*limit = (uint64_t)n;
	if (!value || (n >= (json_int_t)min && n <= (json_int_t)max))
		return true;
	qmp_fail(call, "GenericError", "'%s' must be from %llu to %llu", name,
		 (unsigned long long)min, (unsigned long long)max);
	return false;
}

/* As of --scsi. */
static bool get_limits(struct qmp_call *call, json_t *args,
		       struct disk_config *config)
{
	const char *on_error =
		json_string_value(json_object_get(args, "on-error"));
	uint64_t iops, burst;

	if (!get_limit(call, args, "iops", 1, CONFIG_MAX_IOPS, &iops) ||
	    !get_limit(call, args, "iops-burst", 1, CONFIG_MAX_IOPS, &burst) ||
	    !get_limit(call, args, "bps", CONFIG_MIN_BPS, CONFIG_MAX_BPS,
		       &config->bps) ||
	    !get_limit(call, args, "bps-burst", CONFIG_MIN_BPS, CONFIG_MAX_BPS,
		       &config->bps_burst))
		return false;
	config->iops = (unsigned int)iops;
	config->iops_burst = (unsigned int)burst;
	if (on_error && !strcmp(on_error, "stop"))
		config->on_error = ON_ERROR_STOP;
	return true;
}

/* @config is used while this runs, and no longer. */
json_t *cmd_scsi_add(struct qmp_call *call, json_t *args)
{
	struct device *dev = controller(call->control->vm);
	struct disk_config config = {
		.path = (char *)json_string_value(
			json_object_get(args, "path")),
		.format = (char *)json_string_value(
			json_object_get(args, "format")),
		.readonly = json_is_true(json_object_get(args, "readonly")),
		.serial = (char *)json_string_value(
			json_object_get(args, "serial")),
	};
	struct scsi_status_of st;
	struct error err = { "" };
	int number;

	if (!dev)
		return qmp_fail(call, "GenericError",
				"The machine has no SCSI controller");
	if (!get_limits(call, args, &config))
		return NULL;
	config.fd = qmp_file(call, config.path);
	if (config.fd < 0)
		return NULL;
	number = virtio_scsi_attach(dev, &config, &err);
	if (number < 0)
		return qmp_fail(call, "GenericError", "%s", err.text);
	virtio_scsi_status(dev, (unsigned int)number, &st);
	return json_pack("{s:s}", "id", st.id);
}

json_t *cmd_scsi_remove(struct qmp_call *call, json_t *args)
{
	struct scsi_place at;

	if (!place_or_fail(call, args, &at))
		return NULL;
	virtio_scsi_detach(at.dev, at.number);
	return json_object();
}
