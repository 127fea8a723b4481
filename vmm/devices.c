// SPDX-License-Identifier: GPL-2.0-or-later
/* The machine's devices: the one list of what a configuration creates. */
#include "config.h"
#include "device.h"
#include "device/devices.h"
#include "device/pci.h"
#include "virtio/virtio_devices.h"
#include "vm.h"

int devices_create(struct vm *vm, struct error *err)
{
	const struct config *cfg = vm->cfg;
	/* Always there, in this order: the buses before what sits on them. */
	const struct {
		const struct dev_class *class;
		const void *config;
	} fixed[] = {
		{ &q35_host_class, NULL },
		{ &ich9_lpc_class, NULL },
		{ &rtc_class, NULL },
		{ &i8042_class, NULL },
		{ &serial_class, cfg->console },
		{ &fw_cfg_class, NULL },
	};
	unsigned int i;
	int rc = 0;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		rc = device_create(vm, fixed[i].class, 0, fixed[i].config, NULL,
				   err);
		if (rc)
			return rc;
	}
	if (cfg->hotplug)
		rc = device_create(vm, &hotplug_class, 0, NULL, NULL, err);
	if (rc)
		return rc;
	for (i = 0; i < cfg->nr_disks; i++) {
		rc = device_create(vm, &virtio_blk_class, i, &cfg->disks[i],
				   NULL, err);
		if (rc)
			return rc;
	}
	if (cfg->nr_scsi || cfg->nr_cdroms) {
		rc = device_create(vm, &virtio_scsi_class, 0, cfg, NULL, err);
		if (rc)
			return rc;
	}
	for (i = 0; i < cfg->nr_nets; i++) {
		rc = device_create(vm, &virtio_net_class, i, &cfg->nets[i],
				   NULL, err);
		if (rc)
			return rc;
	}
	for (i = 0; i < cfg->nr_vhost_blks; i++) {
		rc = device_create(vm, &vhost_blk_class, i, &cfg->vhost_blks[i],
				   NULL, err);
		if (rc)
			return rc;
	}
	for (i = 0; i < cfg->nr_fs; i++) {
		rc = device_create(vm, &vhost_fs_class, i, &cfg->fs[i], NULL,
				   err);
		if (rc)
			return rc;
	}
	if (cfg->vsock.present) {
		rc = device_create(vm, &virtio_vsock_vhost_class, 0,
				   &cfg->vsock, NULL, err);
		if (rc)
			return rc;
	}
	if (cfg->rng.present) {
		rc = device_create(vm, &virtio_rng_class, 0, &cfg->rng, NULL,
				   err);
		if (rc)
			return rc;
	}
	if (cfg->vcon.target) {
		rc = device_create(vm, &virtio_console_class, 0, &cfg->vcon,
				   NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}
