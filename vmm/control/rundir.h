/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's runtime directory, where running VMs are found by name:
 *
 *   $XDG_RUNTIME_DIR/vireo, else /run/vireo for root, else /tmp/vireo-UID
 *
 * It belongs to the user, nobody else can enter it (mode 0700), and it holds a
 * file per VM and kind: NAME.qmp is the VM's control socket.
 */
#ifndef VIREO_CONTROL_RUNDIR_H
#define VIREO_CONTROL_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>

struct error;

/* As long as the path of a UNIX socket can be, with the 0 that ends it. */
#define RUNDIR_PATH_MAX 108
/* The longest name of a VM, with the 0 that ends it. */
#define RUNDIR_NAME_MAX 32

/*
 * The directory's path.  With @create it is made; without, -ENOENT says that
 * there is none.  A directory that others could write to is refused.
 */
int rundir_open(char path[RUNDIR_PATH_MAX], bool create, struct error *err);

/*
 * The path of VM @name's file of @kind ("qmp", "console") in directory @dir.
 * What a name may have and a file name may not is written as %2F.
 */
int rundir_file(char path[RUNDIR_PATH_MAX], const char *dir, const char *name,
		const char *kind, struct error *err);

/*
 * The name of the VM to which @file, a name in the directory, belongs; false
 * if it is no file of @kind.
 */
bool rundir_name(char name[RUNDIR_NAME_MAX], const char *file,
		 const char *kind);

#endif
