from experiments.chexnet_cbam.experiment import main

if __name__ == "__main__":
    main()
