/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, by the file that has them; commands.c is their table. */
#ifndef VIREO_CONTROL_COMMANDS_H
#define VIREO_CONTROL_COMMANDS_H

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

struct cpu_regs;
struct device;
struct vm;

/* hmp_registers.c */
void hmp_registers(FILE *out, unsigned int vcpu, const struct cpu_regs *regs);

/* The path of an object in the tree of qom-list. */
#define QOM_PATH_MAX 96
void qom_device_path(const struct vm *vm, const struct device *dev,
		     char path[QOM_PATH_MAX]);
void qom_vcpu_path(unsigned int index, char path[QOM_PATH_MAX]);

#endif
