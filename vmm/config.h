/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM is to be: the result of the command line and of --config.
 * options.c fills it from one table; nothing else parses.
 */
#ifndef VIREO_CONFIG_H
#define VIREO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define CONFIG_MAX_DISKS 16

struct disk_config {
	char *path;
	bool readonly;
	char *serial; /* up to 20 bytes, shown to the guest */
};

struct rng_config {
	bool present;
	char *source; /* default /dev/urandom */
};

struct vcon_config {
	char *target; /* as console; NULL: no virtio console */
};

struct config {
	char *name; /* default: "vm" */
	char *kernel;
	char *initrd;
	char *append;
	struct mem_options memory; /* default 512 MiB of 4 KiB pages */
	unsigned int cpus;	   /* 1 to 64 */
	char *console;		   /* see chardev.h, and "socket" */
	char *module;		   /* auto (default), on, off */
	struct disk_config disks[CONFIG_MAX_DISKS];
	unsigned int nr_disks;
	struct rng_config rng;
	struct vcon_config vcon;
	bool detach; /* not of --config */
	char *log;   /* error, warn (default), info, debug */
};

#endif
