"""stub"""


def write_chexnet_cbam_report(*a):
    return None
