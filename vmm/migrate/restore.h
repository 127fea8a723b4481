/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine that begins from a snapshot (--restore): the main thread's. */
#ifndef VIREO_MIGRATE_RESTORE_H
#define VIREO_MIGRATE_RESTORE_H

struct error;
struct vm;

/* Opens what vm->cfg->restore names, if it does. */
int restore_open(struct vm *vm, struct error *err);
void restore_close(struct vm *vm);
/* Into a machine that was reset.  On failure it can be used for nothing. */
int restore_load(struct vm *vm, struct error *err);
/* Runs again: the network hears of it. */
void restore_announce(struct vm *vm);

#endif
