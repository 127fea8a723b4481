/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classes of the virtio devices. */
#ifndef VIREO_VIRTIO_DEVICES_H
#define VIREO_VIRTIO_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "../block/block.h"
#include "../device.h"

struct chardev;
struct disk_config;
struct net_config;
struct throttle;
struct throttle_limit;

/* config: struct disk_config */
extern const struct dev_class virtio_blk_class;
/* config: struct config, of which the SCSI disks and drives are its targets */
extern const struct dev_class virtio_scsi_class;
/* config: struct net_config */
extern const struct dev_class virtio_net_class;
/* config: struct vhost_blk_config */
extern const struct dev_class vhost_blk_class;
/* config: struct fs_config */
extern const struct dev_class vhost_fs_class;
/* config: struct vsock_config */
extern const struct dev_class virtio_vsock_vhost_class;
/* config: struct rng_config */
extern const struct dev_class virtio_rng_class;
/* config: struct vcon_config */
extern const struct dev_class virtio_console_class;

/* What a disk has done of a kind since it was made. */
struct blk_count {
	uint64_t ops;
	uint64_t bytes;
	uint64_t ns; /* that they took, added up */
	uint64_t failed;
	uint64_t invalid; /* refused: outside of the disk, or read-only */
};

/* A failure in one word, never 0: an errno and an enum block_op. */
#define BLK_FAULT(err, op) ((uint32_t)(err) << 8 | (uint32_t)(op))

struct blk_status {
	const struct block *block;
	const struct disk_config *config; /* of a virtio disk */
	struct blk_count counts[BLOCK_NR_OPS];
	uint64_t highest; /* byte written, and one more */
	int failed;	  /* an errno, if something did since the last start */
};

/* Its limits, to look at; and the main thread sets them, all at once. */
struct throttle *virtio_blk_throttle(struct device *dev);
void virtio_blk_limit(struct device *dev, const struct throttle_limit *limits);
/* The main thread; as block_resize.  The guest is told. */
int virtio_blk_resize(struct device *dev, uint64_t size, struct error *err);

void virtio_blk_status(const struct device *dev, struct blk_status *status);

#define SCSI_TARGET_ID_MAX 24

struct scsi_status_of {
	const char *id; /* "scsi0-hd0", "scsi0-cd1" */
	bool cdrom;
	bool locked;
	bool tray_open;
	struct blk_status blk; /* block is NULL if there is no medium */
};

/*
 * Targets of a SCSI controller, by number, which must be one for which
 * virtio_scsi_status has been true; that is false for other numbers.  All of
 * them in the main thread.
 */
#define SCSI_TARGETS 32
bool virtio_scsi_status(const struct device *dev, unsigned int number,
			struct scsi_status_of *status);
/* A disk more: its number, or -errno. */
int virtio_scsi_attach(struct device *dev, const struct disk_config *config,
		       struct error *err);
void virtio_scsi_detach(struct device *dev, unsigned int number);
/* Of a disk; as virtio_blk_resize. */
int virtio_scsi_resize(struct device *dev, unsigned int number, uint64_t size,
		       struct error *err);
/* Its limits. */
struct throttle *virtio_scsi_throttle(struct device *dev, unsigned int number);
/* Of a drive; -EBUSY if the guest has locked it and was asked. */
int virtio_scsi_eject(struct device *dev, unsigned int number, bool force,
		      struct error *err);
int virtio_scsi_insert(struct device *dev, unsigned int number,
		       const struct block_options *options, bool force,
		       struct error *err);

/* What a queue of a network card has done since it was made. */
struct net_count {
	uint64_t frames;
	uint64_t bytes;
	uint64_t unwanted; /* by the driver's filter */
	uint64_t dropped;  /* the link was down, or no room was to be had */
	uint64_t invalid;  /* against the rules */
};

#define NET_TABLE 64 /* addresses that a driver may list */

struct net_status {
	const struct net_config *config;
	uint8_t mac[6]; /* at power-on */
	bool link_up;
	bool carrier;		/* somebody is at the other end */
	unsigned int nr_pairs;	/* of queues */
	unsigned int nr_active; /* that the driver uses */
	/* What the driver wants. */
	uint8_t main_mac[6];
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast, tagged;
	bool uni_overflow, multi_overflow;
	unsigned int nr_uni, nr_multi; /* in macs, in this order */
	uint8_t macs[NET_TABLE][6];
	uint8_t vlans[4096 / 8];
};

/* All in the main thread. */
void virtio_net_status(const struct device *dev, struct net_status *status);
/* Of pair @index, less than nr_pairs. */
void virtio_net_counts(const struct device *dev, unsigned int index,
		       struct net_count *received, struct net_count *sent);
/* Plugs the cable in, or out. */
void virtio_net_set_link(struct device *dev, bool up);
/* Has the guest tell the network where it is; false if it cannot. */
bool virtio_net_announce(struct device *dev);

const struct chardev *virtio_console_chardev(const struct device *dev);

#endif
