// SPDX-License-Identifier: GPL-2.0-or-later
/* The functions on the PCI bus, as the guest has set them up. */
#include <linux/pci_regs.h>

#include "../device/pci.h"
#include "commands.h"
#include "server.h"

static const char *class_name(unsigned int class)
{
	static const struct {
		unsigned int class;
		const char *name;
	} names[] = {
		{ 0x0180, "Storage controller" },
		{ 0x0600, "Host bridge" },
		{ 0x0601, "ISA bridge" },
		{ 0x0780, "Communication controller" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].class == class)
			return names[i].name;
	return NULL;
}

static unsigned int reg(struct pci_dev *pci, unsigned int off,
			unsigned int size)
{
	return pci_config_read(pci->host, pci->devfn, off, size);
}

static json_t *regions(const struct pci_dev *pci)
{
	json_t *list = json_array(), *region;
	const struct pci_bar *bar;
	unsigned int i;
	bool wide;

	for (i = 0; i < PCI_NR_BARS; i++) {
		bar = &pci->bars[i];
		if (bar->type == PCI_BAR_NONE)
			continue;
		region = json_pack("{s:i,s:s,s:I,s:I}", "bar", i, "type",
				   bar->type == PCI_BAR_IO ? "io" : "memory",
				   "address",
				   /* QEMU's word for nowhere. */
				   bar->mapped ? (json_int_t)bar->range.base :
						 -1,
				   "size", (json_int_t)bar->range.len);
		if (bar->type != PCI_BAR_IO) {
			wide = bar->type == PCI_BAR_MEM64;
			json_object_set_new(region, "prefetch",
					    json_boolean(wide));
			json_object_set_new(region, "mem_type_64",
					    json_boolean(wide));
		}
		json_array_append_new(list, region);
	}
	return list;
}

static json_t *function(const struct vm *vm, struct pci_dev *pci)
{
	unsigned int class = reg(pci, PCI_CLASS_DEVICE, 2);
	unsigned int pin = reg(pci, PCI_INTERRUPT_PIN, 1);
	const char *id = pci->dev.id;
	json_t *info;
	char path[QOM_PATH_MAX];

	/* Those that are part of the board have no id of their own. */
	qom_device_path(vm, &pci->dev, path);
	if (strncmp(path, "/machine/peripheral/", 20) != 0)
		id = "";
	info = json_pack("{s:i,s:i,s:i,s:{s:i,s:s*},s:{s:i,s:i,s:i,s:i},s:i,"
			 "s:s,s:o}",
			 "bus", 0, "slot", pci->devfn >> 3, "function",
			 pci->devfn & 7, "class_info", "class", class, "desc",
			 class_name(class), "id", "vendor",
			 reg(pci, PCI_VENDOR_ID, 2), "device",
			 reg(pci, PCI_DEVICE_ID, 2), "subsystem-vendor",
			 reg(pci, PCI_SUBSYSTEM_VENDOR_ID, 2), "subsystem",
			 reg(pci, PCI_SUBSYSTEM_ID, 2), "irq_pin", pin,
			 "qdev_id", id, "regions", regions(pci));
	if (pin)
		json_object_set_new(info, "irq",
				    json_integer(
					    reg(pci, PCI_INTERRUPT_LINE, 1)));
	return info;
}

json_t *cmd_query_pci(struct qmp_call *call, json_t *args)
{
	struct vm *vm = call->control->vm;
	struct pci_host *host = vm->pci;
	json_t *devices = json_array();
	unsigned int i;

	(void)args;
	pthread_mutex_lock(&host->lock);
	for (i = 0; i < PCI_NR_DEVFN; i++)
		if (host->devs[i])
			json_array_append_new(devices,
					      function(vm, host->devs[i]));
	pthread_mutex_unlock(&host->lock);
	return json_pack("[{s:i,s:o}]", "bus", 0, "devices", devices);
}
