// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An initiator that sends any CDB with any buffers to a unit.  The input's
 * first byte says what unit it is, the rest is a program: one byte of
 * operation, then its operands.
 *
 *   0 to 9  a command: flags, length of buffers, CDB, what is in the buffers
 *   10      a request of those that wait at the disk is done
 *   11      a command is cancelled
 *   12      reset, resize
 *   13      the medium or the tray of a drive
 *   14      the disk fails from now on, or no longer
 */
#include <errno.h>
#include <stdbool.h>

#include "../unit/scsi_rig.h"

#define COMMANDS 8
#define KEPT 16384
#define BUFFER 8192

struct input {
	const uint8_t *data;
	size_t size;
};

struct initiator {
	struct scsi_lun lun;
	bool later;
	struct order *orders[COMMANDS];
	size_t lens[COMMANDS];
	struct memory_disk *disks[32]; /* that are not closed */
	bool closed[32];
	unsigned int nr_disks;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t get(struct input *in, unsigned int bytes)
{
	uint32_t val = 0;

	for (; bytes && in->size; bytes--, in->size--)
		val = val << 8 | *in->data++;
	return val;
}

static void check(bool good)
{
	if (!good)
		abort();
}

static struct memory_disk *make_disk(struct initiator *it, uint8_t what)
{
	/* One is so large that a byte address nearly wraps. */
	uint64_t size = what & 0x40 ? 1ULL << 62 : KEPT;
	struct memory_disk *d = disk_new(size, KEPT, what & 0x20 ? 4096 : 512);

	d->block.readonly = what & 0x10;
	d->later = it->later;
	d->closed = &it->closed[it->nr_disks];
	it->disks[it->nr_disks++] = d;
	return d;
}

/* What always is when a command has ended. */
static void check_order(const struct order *o, size_t len)
{
	const struct scsi_cmd *cmd = &o->cmd;
	uint8_t data[BUFFER];
	size_t i;

	check(o->dones == 1);
	if (cmd->cancelled || cmd->overrun)
		return;
	check(cmd->moved <= len);
	check(cmd->status == SCSI_GOOD || cmd->status == SCSI_BUSY ||
	      (cmd->status == SCSI_CHECK_CONDITION &&
	       cmd->sense_len == SCSI_SENSE_LEN && cmd->sense[2] &&
	       !cmd->moved));
	/* Of a transfer that has failed, some may have come. */
	if (cmd->dir != SCSI_IN || cmd->status != SCSI_GOOD)
		return;
	order_data(o, data);
	for (i = cmd->moved; i < len; i++)
		check(data[i] == 0xee);
}

static void reap(struct initiator *it)
{
	unsigned int i;

	for (i = 0; i < COMMANDS; i++)
		if (it->orders[i] && it->orders[i]->dones) {
			check_order(it->orders[i], it->lens[i]);
			order_free(it->orders[i]);
			free(it->orders[i]);
			it->orders[i] = NULL;
		}
}

static bool complete(struct initiator *it)
{
	unsigned int i;

	for (i = 0; i < it->nr_disks; i++)
		if (!it->closed[i] && disk_complete(it->disks[i]))
			return true;
	return false;
}

static void command(struct initiator *it, struct input *in)
{
	uint8_t flags = (uint8_t)get(in, 1), cdb[16], out[BUFFER] = { 0 };
	size_t len = get(in, 2) % (BUFFER + 1), i;
	bool to_device = flags & 1;
	unsigned int n;

	for (i = 0; i < sizeof(cdb); i++)
		cdb[i] = (uint8_t)get(in, 1);
	for (i = 0; to_device && i < len && in->size && i < (flags >> 2); i++)
		out[i] = (uint8_t)get(in, 1);
	for (n = 0; n < COMMANDS && it->orders[n]; n++)
		;
	if (n == COMMANDS)
		return;
	it->orders[n] = malloc(sizeof(struct order));
	it->lens[n] = len;
	order_init(it->orders[n], &it->lun, cdb, 16,
		   to_device ? SCSI_OUT : SCSI_IN, to_device ? out : NULL, len);
	it->orders[n]->cmd.other_lun = flags & 2;
	scsi_submit(&it->orders[n]->cmd);
}

static void change_medium(struct initiator *it, uint8_t what)
{
	struct memory_disk *d = NULL;

	if (!scsi_lun_is_cdrom(&it->lun))
		return;
	if (what & 1) {
		scsi_lun_tray(&it->lun, what & 2);
		return;
	}
	if (what & 2 && it->nr_disks < 32)
		d = make_disk(it, what & 0x70);
	check(!scsi_lun_load(&it->lun, d ? &d->block : NULL));
}

static void step(struct initiator *it, struct input *in)
{
	uint8_t op = (uint8_t)get(in, 1) % 15, what;

	if (op < 10) {
		command(it, in);
		return;
	}
	what = (uint8_t)get(in, 1);
	switch (op) {
	case 10:
		complete(it);
		break;
	case 11:
		if (it->orders[what % COMMANDS])
			scsi_cancel(&it->orders[what % COMMANDS]->cmd);
		break;
	case 12:
		if (what & 1)
			scsi_lun_reset(&it->lun);
		else if (it->lun.medium)
			it->lun.medium->block->size = what * 256ULL / 512 * 512;
		scsi_lun_resized(&it->lun);
		break;
	case 13:
		change_medium(it, what);
		break;
	default:
		if (it->lun.medium)
			memory_disk(it->lun.medium->block)->fails =
				what & 1 ? -EIO : 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct initiator it = { .nr_disks = 0 };
	uint8_t what = (uint8_t)get(&in, 1);
	bool cdrom = what & 1;
	struct memory_disk *d = NULL;

	it.later = what & 2;
	if (!cdrom || !(what & 4))
		d = make_disk(&it, what);
	check(!scsi_lun_init(&it.lun, cdrom ? &scsi_cdrom : &scsi_disk,
			     d ? &d->block : NULL, "fuzz"));
	if (what & 8)
		it.lun.attentions = 0;
	while (in.size) {
		step(&it, &in);
		reap(&it);
	}
	while (complete(&it))
		reap(&it);
	reap(&it);
	for (what = 0; what < COMMANDS; what++)
		check(!it.orders[what]);
	scsi_lun_destroy(&it.lun);
	for (what = 0; what < it.nr_disks; what++)
		check(it.closed[what]);
	return 0;
}
