// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../config.h"
#include "../block/throttle.h"
#include "../virtio/virtio_devices.h"
#include "commands.h"
#include "server.h"

static json_t *image_info(const struct blk_status *st)
{
	json_t *info = json_pack("{s:o,s:s,s:I}", "filename",
				 qmp_text(st->block->path), "format",
				 st->block->format->name, "virtual-size",
				 (json_int_t)block_size(st->block));
	struct stat file;

	if (!fstat(st->block->fd, &file))
		json_object_set_new(info, "actual-size",
				    json_integer(file.st_blocks * 512));
	return info;
}

/* QEMU's names of a disk's limits, in the order of enum throttle_kind. */
static const char *const limit_names[] = {
	"iops", "iops_rd", "iops_wr", "bps", "bps_rd", "bps_wr",
};

static void add_limits(json_t *to, struct throttle *throttle)
{
	struct throttle_limit limits[THROTTLE_KINDS] = { 0 };
	char name[24];
	unsigned int i;

	if (throttle)
		throttle_get(throttle, limits);
	for (i = 0; i < THROTTLE_KINDS; i++) {
		json_object_set_new(to, limit_names[i],
				    json_integer((json_int_t)limits[i].rate));
		if (!limits[i].burst)
			continue;
		snprintf(name, sizeof(name), "%s_max", limit_names[i]);
		json_object_set_new(to, name,
				    json_integer((json_int_t)limits[i].burst));
	}
}

json_t *block_inserted(const char *id, struct throttle *throttle,
		       const struct blk_status *st)
{
	json_t *info = json_pack("{s:o,s:s,s:b,s:s,s:i,s:b,s:s,s:o,"
				 "s:{s:b,s:b,s:b},s:i}",
				 "file", qmp_text(st->block->path), "node-name",
				 id, "ro", st->block->readonly, "drv",
				 st->block->format->name, "backing_file_depth",
				 0, "encrypted", 0, "detect_zeroes", "off",
				 "image", image_info(st), "cache", "writeback",
				 !st->block->writethrough, "direct",
				 st->block->direct, "no-flush", 0,
				 "write_threshold", 0);

	add_limits(info, throttle);
	return info;
}

const char *block_io_status(const struct blk_status *st)
{
	return st->failed == ENOSPC ? "nospace" : st->failed ? "failed" : "ok";
}

/* A disk and its node have the same name, but for those that QMP has made. */
static const char *node_of(const struct device *dev,
			   const struct blk_status *st)
{
	return st->config->node ? st->config->node : dev->id;
}

json_t *cmd_query_block(struct qmp_call *call, json_t *args)
{
	const struct vm *vm = call->control->vm;
	json_t *list = json_array();
	struct device *dev;
	char path[QOM_PATH_MAX];
	struct blk_status st;

	(void)args;
	for (dev = vm->devices; dev; dev = dev->next) {
		if (dev->class == &virtio_scsi_class)
			scsi_blocks(vm, dev, list);
		if (dev->class != &virtio_blk_class)
			continue;
		virtio_blk_status(dev, &st);
		qom_device_path(vm, dev, path);
		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:s,s:b,s:b,s:o,s:s}",
						"device", dev->id, "qdev", path,
						"type", "unknown", "removable",
						0, "locked", 0, "inserted",
						block_inserted(node_of(dev, &st),
							       virtio_blk_throttle(
								       dev),
							       &st),
						"io-status",
						block_io_status(&st)));
	}
	return list;
}

/* QEMU counts writing zeros among the writes. */
json_t *block_stats(const struct blk_status *st)
{
	static const struct {
		const char *name; /* in "rd_operations" */
		enum block_op op;
	} kinds[] = {
		{ "rd", BLOCK_READ },	    { "wr", BLOCK_WRITE },
		{ "wr", BLOCK_ZERO },	    { "flush", BLOCK_FLUSH },
		{ "unmap", BLOCK_DISCARD },
	};
	json_t *s = json_pack("{s:I,s:i,s:i,s:i,s:b,s:b,s:[]}",
			      "wr_highest_offset", (json_int_t)st->highest,
			      "rd_merged", 0, "wr_merged", 0, "unmap_merged", 0,
			      "account_invalid", 0, "account_failed", 0,
			      "timed_stats");
	const struct blk_count *count;
	const char *name;
	char key[48];
	size_t i, j;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		count = &st->counts[kinds[i].op];
		name = kinds[i].name;
		const struct {
			const char *fmt;
			uint64_t value;
		} values[] = {
			{ "%s_operations", count->ops },
			{ "%s_total_time_ns", count->ns },
			{ "failed_%s_operations", count->failed },
			{ "invalid_%s_operations", count->invalid },
			/* Of a flush there are none. */
			{ kinds[i].op == BLOCK_FLUSH ? NULL : "%s_bytes",
			  count->bytes },
		};
		for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			if (!values[j].fmt)
				continue;
			snprintf(key, sizeof(key), values[j].fmt, name);
			json_object_set_new(s, key,
					    json_integer(
						    json_integer_value(
							    json_object_get(s,
									    key)) +
						    (json_int_t)values[j]
							    .value));
		}
	}
	return s;
}

json_t *cmd_query_blockstats(struct qmp_call *call, json_t *args)
{
	const struct vm *vm = call->control->vm;
	json_t *list = json_array(), *entry;
	const struct device *dev;
	char path[QOM_PATH_MAX];
	struct blk_status st;

	for (dev = vm->devices; dev; dev = dev->next) {
		if (dev->class == &virtio_scsi_class)
			scsi_blockstats(vm, dev, args, list);
		if (dev->class != &virtio_blk_class)
			continue;
		virtio_blk_status(dev, &st);
		entry = json_pack("{s:s,s:o}", "node-name", node_of(dev, &st),
				  "stats", block_stats(&st));
		if (!json_is_true(json_object_get(args, "query-nodes"))) {
			qom_device_path(vm, dev, path);
			json_object_set_new(entry, "device",
					    json_string(dev->id));
			json_object_set_new(entry, "qdev", json_string(path));
		}
		json_array_append_new(list, entry);
	}
	return list;
}

/* By the name of the device or of its node; NULL: none has that one. */
static struct device *disk_named(struct qmp_call *call, const char *name)
{
	struct blk_status st;
	struct device *dev;

	for (dev = call->control->vm->devices; name && dev; dev = dev->next) {
		if (dev->class != &virtio_blk_class)
			continue;
		virtio_blk_status(dev, &st);
		if (!strcmp(dev->id, name) || !strcmp(node_of(dev, &st), name))
			return dev;
	}
	return NULL;
}

static const char *text_of(json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

json_t *cmd_block_resize(struct qmp_call *call, json_t *args)
{
	json_int_t size = json_integer_value(json_object_get(args, "size"));
	const char *name = text_of(args, "device");
	const char *node = text_of(args, "node-name");
	struct device *dev = disk_named(call, name);
	struct error err = { "" };
	struct scsi_place scsi;
	bool is_scsi;
	int rc;

	if (!dev)
		dev = disk_named(call, node);
	is_scsi = !dev && scsi_place(call, args, "node-name", &scsi);
	if (!dev && !is_scsi)
		return qmp_fail(call, "GenericError",
				"Cannot find device='%.64s' nor "
				"node-name='%.64s'",
				name ? name : "", node ? node : "");
	if (size < 0)
		return qmp_fail(call, "GenericError",
				"Parameter 'size' expects a >0 size");
	if (is_scsi)
		rc = virtio_scsi_resize(scsi.dev, scsi.number, (uint64_t)size,
					&err);
	else
		rc = virtio_blk_resize(dev, (uint64_t)size, &err);
	if (rc)
		return qmp_fail(call, "GenericError", "%s", err.text);
	return json_object();
}

/* Of a rate or burst, as QEMU has it. */
#define LIMIT_MAX 1000000000000000LL

/* A rate and its burst, from @args; what is wrong with them, or NULL. */
static const char *get_limit(json_t *args, const char *name,
			     struct throttle_limit *limit)
{
	char max[24];
	json_int_t rate, burst;

	snprintf(max, sizeof(max), "%s_max", name);
	rate = json_integer_value(json_object_get(args, name));
	burst = json_integer_value(json_object_get(args, max));
	limit->rate = (uint64_t)rate;
	limit->burst = (uint64_t)burst;
	if (rate < 0 || rate > LIMIT_MAX || burst < 0 || burst > LIMIT_MAX)
		return "bps/iops/max values must be within [0, "
		       "1000000000000000]";
	if (burst && !rate)
		return "bps_max/iops_max require corresponding bps/iops values";
	return NULL;
}

json_t *cmd_block_set_io_throttle(struct qmp_call *call, json_t *args)
{
	const char *name = text_of(args, "device"), *id = text_of(args, "id");
	struct throttle_limit limits[THROTTLE_KINDS];
	struct throttle *throttle;
	struct scsi_place scsi;
	const char *wrong;
	struct device *dev;
	unsigned int i;

	if (!name == !id)
		return qmp_fail(call, "GenericError",
				"Need exactly one of 'device' and 'id'");
	dev = disk_named(call, name ? name : id);
	if (dev)
		throttle = NULL;
	else if (scsi_place(call, args, "id", &scsi))
		throttle = virtio_scsi_throttle(scsi.dev, scsi.number);
	else
		return qmp_fail(call, "DeviceNotFound",
				"Device '%.64s' not found", name ? name : id);
	for (i = 0; i < THROTTLE_KINDS; i++) {
		wrong = get_limit(args, limit_names[i], &limits[i]);
		if (wrong)
			return qmp_fail(call, "GenericError", "%s", wrong);
	}
	for (i = 0; i < THROTTLE_KINDS; i += 3)
		if (limits[i].rate &&
		    (limits[i + 1].rate || limits[i + 2].rate))
			return qmp_fail(call, "GenericError",
					"bps/iops/max total values and "
					"read/write values cannot be used at "
					"the same time");
	if (dev)
		virtio_blk_limit(dev, limits);
	else
		throttle_set(throttle, limits);
	return json_object();
}
