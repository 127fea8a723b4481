/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM is to be: the result of the command line and of --config.
 * options.c fills it from one table; nothing else parses.
 */
#ifndef VIREO_CONFIG_H
#define VIREO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "block/block.h"
#include "memory.h"
#include "sandbox.h"

#define CONFIG_MAX_DISKS 16
#define CONFIG_MAX_SCSI 16
#define CONFIG_MAX_SCSI_QUEUES 64
#define CONFIG_MAX_DISK_QUEUES 256
#define CONFIG_MAX_CDROMS 4
#define CONFIG_MAX_NETS 8
#define CONFIG_MAX_FS 8
#define CONFIG_MAX_VHOST_BLK 8
/* Limits of disks: requests, and bytes, a second. */
#define CONFIG_MAX_IOPS 1000000000U
#define CONFIG_MIN_BPS 1024U
#define CONFIG_MAX_BPS (1ULL << 40)
#define CONFIG_MAX_QMP 7
#define CONFIG_UUID_LEN 36 /* characters */
#define CONFIG_NO_UUID "00000000-0000-0000-0000-000000000000"

/* The order of the words in options_table.c */
enum on_error {
	ON_ERROR_REPORT, /* the guest sees it */
	ON_ERROR_STOP,	 /* the VM pauses, and tries again when it goes on */
};

struct disk_config {
	char *path;
	int fd;	      /* of it, from QMP; 0: it is opened */
	char *format; /* raw, qcow2, auto; NULL: by the path's end */
	bool readonly;
	char *node;   /* its name, from QMP; NULL: the device's */
	char *serial; /* up to 20 bytes, shown to the guest */
	enum block_cache cache;
	enum aio_kind aio;
	unsigned int queues;	 /* 0: as many as vCPUs, up to 4 */
	unsigned int iothreads;	 /* 0: the main thread */
	char *cpus;		 /* of the I/O threads; NULL: any */
	unsigned int poll;	 /* microseconds at most */
	unsigned int block_size; /* bytes; 0: the host's */
	unsigned int physical_size;
	unsigned int min_io;
	unsigned int opt_io;
	enum on_error on_error;
	unsigned int iops; /* operations a second; 0: any */
	unsigned int iops_burst;
	uint64_t bps; /* bytes a second; 0: any */
	uint64_t bps_burst;
};

/* The order of the words in options_table.c */
enum net_kind { NET_USER, NET_TAP, NET_LINK, NET_PASST, NET_VHOST_USER };

/* The order of the words in options_table.c */
enum vhost_use { VHOST_AUTO, VHOST_ON, VHOST_OFF };

struct net_config {
	enum net_kind kind;
	char *mac; /* NULL: one made of the machine's name and the number */
	unsigned int mtu;    /* told to the guest; 0: nothing is */
	unsigned int queues; /* pairs */
	char *name;	     /* tap: the interface; NULL: the host picks one */
	unsigned int fd;     /* tap: open already */
	bool has_fd;
	enum vhost_use vhost; /* tap: the kernel serves the queues */
	char *path;	      /* link, passt, vhost-user: the socket */
	char *subnet;	      /* user: as 10.0.2.0/24 */
	char *hostfwd; /* user: as tcp:127.0.0.1:2222-:22, more after + */
	bool isolated; /* user: nothing but what is forwarded */
	/* As of a disk, from here on, but that operations are frames. */
	unsigned int iothreads;
	char *cpus;
	unsigned int iops;
	unsigned int iops_burst;
	uint64_t bps;
	uint64_t bps_burst;
};

/* A disk of a vhost-user backend's. */
struct vhost_blk_config {
	char *path;	     /* its socket */
	unsigned int queues; /* 0: as of a disk */
};

/* A directory of a vhost-user backend's. */
struct fs_config {
	char *tag;
	char *path;
	unsigned int queues; /* of requests; 0: 1 */
};

struct vsock_config {
	bool present;
	uint32_t cid;
	char *path;
	enum vhost_use vhost;
};

struct rng_config {
	bool present;
	char *source; /* default /dev/urandom */
};

struct vcon_config {
	char *target; /* as console; NULL: no virtio console */
};

/* The order of the words in options_table.c */
enum virtio_kind { VIRTIO_PCI, VIRTIO_MMIO };

/* Of all virtio devices. */
struct virtio_config {
	bool packed;	   /* packed rings are offered */
	bool transitional; /* for drivers of before virtio 1.0, too */
	enum virtio_kind transport;
};

struct qmp_config {
	char *target; /* unix:PATH, fd:N, stdio */
	bool server;  /* listen at PATH, or connect to it */
};

struct gdb_config {
	char *target; /* tcp:127.0.0.1:PORT, unix:PATH; NULL: no debugger */
	bool wait;    /* for it, before the first instruction */
};

struct restore_config {
	char *dir; /* of a snapshot; NULL: the machine boots */
	bool lazy; /* memory is mapped, not read */
};

/* The order of the words in options_table.c */
enum on_crash {
	ON_CRASH_STOP,
	ON_CRASH_RESET,
	ON_CRASH_POWEROFF,
	ON_CRASH_PAUSE,
};

struct config {
	char *name; /* NULL: vm, or vm-2 and so on */
	char *uuid; /* 36 characters, lower case; NULL: none */
	char *kernel;
	char *initrd;
	char *append;
	struct mem_options memory; /* default 512 MiB */
	unsigned int cpus;	   /* 1 to 64 */
	char *console;		   /* see chardev.h, and "socket" */
	char *module;		   /* auto (default), on, off */
	struct disk_config disks[CONFIG_MAX_DISKS];
	unsigned int nr_disks;
	struct disk_config scsi[CONFIG_MAX_SCSI];
	unsigned int nr_scsi;
	struct disk_config cdroms[CONFIG_MAX_CDROMS]; /* path may be "none" */
	unsigned int nr_cdroms;
	struct net_config nets[CONFIG_MAX_NETS];
	unsigned int nr_nets;
	struct vhost_blk_config vhost_blks[CONFIG_MAX_VHOST_BLK];
	unsigned int nr_vhost_blks;
	struct fs_config fs[CONFIG_MAX_FS];
	unsigned int nr_fs;
	struct vsock_config vsock;
	struct rng_config rng;
	struct vcon_config vcon;
	struct virtio_config virtio;
	enum on_crash on_crash;
	struct gdb_config gdb;
	struct restore_config restore;
	enum sandbox sandbox;
	bool hotplug; /* devices come and go */
	bool paused;
	bool detach;   /* not of --config */
	char *control; /* auto (default), on, off */
	struct qmp_config qmp[CONFIG_MAX_QMP];
	unsigned int nr_qmp;
	char *log; /* error, warn (default), info, debug */
};

#endif
