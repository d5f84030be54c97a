"""Nova's own config drives: reads from standard input a list of what they are made of, writes a list of {path: content in Base64}."""
import base64
import json
import os
import sys
from unittest import mock

import nova.conf
from nova import context, objects
from nova.api.metadata import base
from nova.network import model

CONF = nova.conf.CONF
CONF([], project='nova', default_config_files=[], default_config_dirs=[])
objects.register_all()


def drive(given):
    for option, value in given['api'].items():
        CONF.set_override(option, value, group='api')
    instance = objects.Instance.obj_from_primitive(given['instance'], context.get_admin_context())
    disks = objects.BlockDeviceMappingList(objects=[objects.BlockDeviceMapping.obj_from_primitive(disk) for disk in given['disks']])
    groups = [{'name': name} for name in given['security_groups']]
    extra = {'admin_pass': given['admin_pass']} if given['admin_pass'] else {}
    network_info = model.NetworkInfo.hydrate(given['network_info'])
    files = [(file['path'], base64.b64decode(file['content'])) for file in given['files']]
    with mock.patch.object(base.security_group_api, 'get_instance_security_groups', return_value=groups), \
            mock.patch.object(objects.Instance, 'get_bdms', return_value=disks), \
            mock.patch.object(os, 'urandom', side_effect=lambda count: b'\x07' * count):
        metadata = base.InstanceMetadata(instance, content=files, extra_md=extra, network_info=network_info)
        for path, data in metadata.metadata_for_config_drive():
            yield path, base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


json.dump([dict(drive(given)) for given in json.load(sys.stdin)], sys.stdout)
