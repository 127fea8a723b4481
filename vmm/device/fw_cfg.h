/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fw_cfg device tells firmware and guests. */
#ifndef VIREO_FW_CFG_H
#define VIREO_FW_CFG_H

#include <stddef.h>

struct device;
struct error;

/*
 * Adds the file @name ("etc/..."); the contents are borrowed and must live as
 * long as the device.  While the VM is built only.  -EINVAL: the name is empty
 * or longer than 55 bytes; -EEXIST; -ENOSPC: too many files.
 */
int fw_cfg_add_file(struct device *dev, const char *name, const void *data,
		    size_t len, struct error *err);

#endif
