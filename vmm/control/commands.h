/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, by the file that has them; commands.c is their table. */
#ifndef VIREO_CONTROL_COMMANDS_H
#define VIREO_CONTROL_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include "qmp.h"

#define COMMAND(name) json_t *name(struct qmp_call *call, json_t *args)

/* cmd_vm.c */
COMMAND(cmd_query_status);
COMMAND(cmd_query_name);
COMMAND(cmd_query_uuid);
COMMAND(cmd_query_kvm);
COMMAND(cmd_query_target);
COMMAND(cmd_query_cpus);
COMMAND(cmd_query_memory);
COMMAND(cmd_query_iothreads);
COMMAND(cmd_query_chardev);
COMMAND(cmd_query_vm);
COMMAND(cmd_query_config);
COMMAND(cmd_stop);
COMMAND(cmd_cont);
COMMAND(cmd_reset);
COMMAND(cmd_powerdown);
COMMAND(cmd_quit);

/* cmd_block.c */
COMMAND(cmd_query_block);
COMMAND(cmd_query_blockstats);
COMMAND(cmd_block_resize);
COMMAND(cmd_block_set_io_throttle);

/* cmd_scsi.c */
COMMAND(cmd_eject);
COMMAND(cmd_change_medium);
COMMAND(cmd_scsi_add);
COMMAND(cmd_scsi_remove);

/* cmd_net.c */
COMMAND(cmd_query_rx_filter);
COMMAND(cmd_query_net);
COMMAND(cmd_set_link);
COMMAND(cmd_announce_self);

/* cmd_snapshot.c */
COMMAND(cmd_snapshot);

/* cmd_plug.c */
COMMAND(cmd_blockdev_add);
COMMAND(cmd_blockdev_del);
COMMAND(cmd_netdev_add);
COMMAND(cmd_netdev_del);
COMMAND(cmd_object_add);
COMMAND(cmd_object_del);
COMMAND(cmd_device_add);
COMMAND(cmd_device_del);

/* cmd_pci.c */
COMMAND(cmd_query_pci);

/* cmd_qom.c */
COMMAND(cmd_qom_list);
COMMAND(cmd_qom_get);
COMMAND(cmd_qom_list_types);
COMMAND(cmd_qom_list_properties);
COMMAND(cmd_device_list_properties);

/* cmd_stats.c */
COMMAND(cmd_query_stats);
COMMAND(cmd_query_stats_schemas);

/* cmd_fd.c */
COMMAND(cmd_getfd);
COMMAND(cmd_closefd);
COMMAND(cmd_add_fd);
COMMAND(cmd_remove_fd);
COMMAND(cmd_query_fdsets);

/* cmd_hmp.c */
COMMAND(cmd_human);

#undef COMMAND

struct blk_status;
struct cpu_regs;
struct device;
struct throttle;
struct vm;

/* hmp_registers.c */
void hmp_registers(FILE *out, unsigned int vcpu, const struct cpu_regs *regs);

/* The path of an object in the tree of qom-list. */
#define QOM_PATH_MAX 96
void qom_device_path(const struct vm *vm, const struct device *dev,
		     char path[QOM_PATH_MAX]);
void qom_vcpu_path(unsigned int index, char path[QOM_PATH_MAX]);

/* cmd_block.c: members of BlockInfo and BlockStats */
/* QEMU's word for what has failed. */
const char *block_io_status(const struct blk_status *st);
json_t *block_inserted(const char *id, struct throttle *throttle,
		       const struct blk_status *st);
json_t *block_stats(const struct blk_status *st);

/* cmd_scsi.c: what a controller @dev adds to the results of such queries */
void scsi_blocks(const struct vm *vm, struct device *dev, json_t *list);
void scsi_blockstats(const struct vm *vm, const struct device *dev,
		     json_t *args, json_t *list);

struct scsi_place {
	struct device *dev;
	unsigned int number;
};

/* The target that argument "device" or @other names; false: it names none. */
bool scsi_place(struct qmp_call *call, json_t *args, const char *other,
		struct scsi_place *place);

/*
 * The descriptor that the name of a file stands for, which stays the set's; 0:
 * it is a path, to be opened; or -1, and the call has failed.
 */
int qmp_file(struct qmp_call *call, const char *name);
/* One of getfd, which is the caller's then; or -1, and the call has failed. */
int qmp_take_fd(struct qmp_call *call, const char *name);

/* cmd_plug.c: what clients have made; devices that use any keep it. */
struct backend;
void backends_free(struct backend *list);

#endif
