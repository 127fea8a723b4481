/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a whole machine, but for its memory, as sections of a stream
 * (state_file.h): "machine", which says what it is made for, then each device in
 * the order in which they are made, "kvm", "cpu0" and so on, "end".
 *
 * The main thread; the machine stands still: vCPUs are parked, devices stopped,
 * and so is its clock.
 */
#ifndef VIREO_MIGRATE_MACHINE_H
#define VIREO_MIGRATE_MACHINE_H

struct error;
struct vm;

int machine_save(struct vm *vm, int fd, struct error *err);
/*
 * Into a machine of the same configuration, which was reset and has the memory.
 * On failure it can be used for nothing more; @err says where the state does not
 * fit.
 */
int machine_load(struct vm *vm, int fd, struct error *err);

#endif
